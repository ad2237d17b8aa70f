-- name: request_replay
-- Notes a request ($1) of $2 at the time $3 to run what a filter ($4) matches again, through service $5 if that is not null;
-- $6 is how many it matches. Answers nothing if the request is known.
INSERT INTO {schema}.replay_request (id, actor, at, filter, target, matched) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING 1;

-- name: replay_request
-- One request.
SELECT id, actor, at, filter, target, matched, replayed, refused, position, finished_at
FROM {schema}.replay_request WHERE id = $1;

-- name: unfinished_replays
-- Requests that are not done, the oldest first, at most $1.
SELECT id, actor, at, filter, target, matched, replayed, refused, position, finished_at
FROM {schema}.replay_request WHERE finished_at IS NULL ORDER BY id LIMIT $1;

-- name: advance_replays
-- Notes how far requests ($1) have got: from position $2 to $3, by $4 events and $5 that were refused; done at $6 if that
-- is not null.
UPDATE {schema}.replay_request r
SET position = p.reached, replayed = r.replayed + p.count, refused = r.refused + p.refused, finished_at = p.finished_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::double precision[])
     AS p (id, was, reached, count, refused, finished_at)
WHERE r.id = p.id AND r.position = p.was AND r.finished_at IS NULL;

-- name: delete_replays
-- Forgets up to $2 requests that were done before the time $1.
DELETE FROM {schema}.replay_request WHERE id IN (
    SELECT id FROM {schema}.replay_request WHERE finished_at < $1 ORDER BY id LIMIT $2
) RETURNING 1;

-- name: ended_events
-- Looks at the $8 events that follow the id $6, up to $7, and answers those that have ended: of service $1, tenant $2, type $3,
-- with outcome $4, each of which may be null, or named in $5; with their payloads if $9. The first row tells how many were
-- looked at, and which was the last.
WITH looked_at AS MATERIALIZED (
    SELECT e.id, e.queue FROM {schema}.event_log e
    WHERE e.attempt = 1 AND e.id > $6 AND e.id < $7 AND ($5::uuid[] IS NULL OR e.id = ANY ($5))
    ORDER BY e.id
    LIMIT $8
),
found AS (
    SELECT e.id, q.service, q.tenant, e.key, e.type, CASE WHEN $9 THEN e.payload ELSE ''::bytea END AS payload,
           e.accepted_at, e.enqueued_by, e.attempt, e.cause, e.origin, coalesce(e.depth, 0) AS depth, e.headers, o.kind
    FROM looked_at x
    CROSS JOIN LATERAL (SELECT * FROM {schema}.queue WHERE id = x.queue OFFSET 0) q
    CROSS JOIN LATERAL (SELECT * FROM {schema}.event_log l WHERE l.id = x.id AND l.attempt = 1 OFFSET 0) e
    CROSS JOIN LATERAL (
        SELECT l.seq FROM {schema}.event_log l WHERE l.id = x.id ORDER BY l.attempt DESC LIMIT 1
    ) last
    CROSS JOIN LATERAL (SELECT kind FROM {schema}.outcome WHERE seq = last.seq OFFSET 0) o
    WHERE o.kind <> 2
      AND ($1::text IS NULL OR q.service = $1) AND ($2::text IS NULL OR q.tenant = $2)
      AND ($3::text IS NULL OR e.type = $3) AND ($4::smallint IS NULL OR o.kind = $4)
)
SELECT n.count, n.last_id, m.*
FROM (SELECT count(*) AS count, (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1) AS last_id FROM looked_at) n
LEFT JOIN found m ON true
ORDER BY m.id;
