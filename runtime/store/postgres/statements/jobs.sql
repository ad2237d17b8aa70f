-- name: job_attempts
-- The attempts at a job ($1), the one that waits in the delayed table included: of one look, so that none is missed.
SELECT e.seq, e.queue, e.attempt, e.accepted_at, o.kind, o.started_at, o.finished_at, o.error,
       NULL::double precision AS due_at
FROM {schema}.event_log e
LEFT JOIN LATERAL (SELECT * FROM {schema}.outcome WHERE seq = e.seq OFFSET 0) o ON true
WHERE e.id = $1
UNION ALL
SELECT NULL, d.queue, d.attempt, d.accepted_at, NULL, NULL, NULL, NULL, d.due_at
FROM {schema}.delayed d
WHERE d.id = $1
ORDER BY 3;

-- name: jobs
-- Looks at the $7 newest jobs with ids from $5 up to $6, and answers those of service $1, tenant $2, type $3 and status $4,
-- each of which may be null. The first row tells how many were looked at, and which was the last of them.
WITH looked_at AS MATERIALIZED (
    SELECT id, queue, waits FROM (
        (SELECT e.id, e.queue, false AS waits FROM {schema}.event_log e
         WHERE e.attempt = 1 AND e.id >= $5 AND e.id < $6 ORDER BY e.id DESC LIMIT $7)
        UNION ALL
        (SELECT d.id, d.queue, true FROM {schema}.delayed d
         WHERE d.attempt = 1 AND d.id >= $5 AND d.id < $6 ORDER BY d.id DESC LIMIT $7)
    ) AS known
    ORDER BY id DESC
    LIMIT $7
),
found AS (
    SELECT x.id, q.service, q.tenant, f.key, f.type, f.accepted_at, f.enqueued_by, f.cause, f.origin,
           coalesce(f.depth, 0) AS depth,
           l.seq, l.queue, l.attempt, l.kind, l.started_at, l.finished_at, l.error, l.due_at,
           CASE WHEN l.due_at IS NOT NULL THEN 'holding'
                ELSE coalesce((ARRAY['completed', 'queued', 'failed', 'aborted'])[l.kind], 'queued') END AS status
    FROM looked_at x
    JOIN {schema}.queue q ON q.id = x.queue
    CROSS JOIN LATERAL (
        SELECT e.key, e.type, e.accepted_at, e.enqueued_by, e.cause, e.origin, e.depth
        FROM {schema}.event_log e WHERE NOT x.waits AND e.id = x.id AND e.attempt = 1
        UNION ALL
        SELECT d.key, d.type, d.accepted_at, d.enqueued_by, d.cause, d.origin, d.depth
        FROM {schema}.delayed d WHERE x.waits AND d.id = x.id AND d.attempt = 1
    ) f
    CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT e.seq, e.queue, e.attempt, o.kind, o.started_at, o.finished_at, o.error,
                    NULL::double precision AS due_at
             FROM {schema}.event_log e
             LEFT JOIN LATERAL (SELECT * FROM {schema}.outcome WHERE seq = e.seq OFFSET 0) o ON true
             WHERE e.id = x.id ORDER BY e.attempt DESC LIMIT 1)
            UNION ALL
            SELECT NULL, d.queue, d.attempt, NULL, NULL, NULL, NULL, d.due_at
            FROM {schema}.delayed d WHERE d.id = x.id
        ) AS attempts
        ORDER BY attempt DESC
        LIMIT 1
    ) l
    WHERE ($1::text IS NULL OR q.service = $1) AND ($2::text IS NULL OR q.tenant = $2)
      AND ($3::text IS NULL OR f.type = $3)
)
SELECT n.count, n.last_id, m.*
FROM (SELECT count(*) AS count, (SELECT id FROM looked_at ORDER BY id LIMIT 1) AS last_id FROM looked_at) n
LEFT JOIN (SELECT * FROM found WHERE $4::text IS NULL OR status = $4 ORDER BY id DESC LIMIT $8) m ON true
ORDER BY m.id DESC;

-- name: write_results
-- Keeps what handlers returned: $1 ids, $2 values.
INSERT INTO {schema}.result (id, value)
SELECT id, value FROM unnest($1::uuid[], $2::bytea[]) AS r (id, value)
ON CONFLICT DO NOTHING;

-- name: result
-- What the handler of a job ($1) returned.
SELECT value FROM {schema}.result WHERE id = $1;

-- name: delete_results
-- Deletes up to $2 results of jobs with ids below $1.
DELETE FROM {schema}.result WHERE id IN (
    SELECT id FROM {schema}.result WHERE id < $1 ORDER BY id LIMIT $2
) RETURNING 1;
