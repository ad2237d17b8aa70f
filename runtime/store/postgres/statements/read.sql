-- name: find_queues
-- Ids of the queues named by service ($1) and tenant ($2).
SELECT q.id, q.service, q.tenant
FROM unnest($1::text[], $2::text[]) AS wanted (service, tenant)
JOIN {schema}.queue q ON q.service = wanted.service AND q.tenant = wanted.tenant;

-- name: create_queues
-- Interns services ($1) with tenants ($2).
INSERT INTO {schema}.queue (service, tenant)
SELECT service, tenant FROM unnest($1::text[], $2::text[]) AS wanted (service, tenant)
ON CONFLICT DO NOTHING;

-- name: queues
-- Every queue with where it stands; the last number comes from the end of an index.
SELECT q.id, q.service, q.tenant, q.watermark,
       greatest(q.watermark, (SELECT max(e.seq) FROM {schema}.event_log e WHERE e.queue = q.id)) AS last_seq
FROM {schema}.queue q
ORDER BY q.id;

-- name: queue_name
-- Service and tenant of a queue ($1).
SELECT service, tenant FROM {schema}.queue WHERE id = $1;

-- name: read_pending
-- Entries of a queue ($1) after a number ($2) without outcome, of all shards or of those in $4. OFFSET 0 keeps the
-- subquery from becoming a join over both tables: the plan walks the index of the log in order, asks for each entry's
-- outcome, and stops at the limit ($3). What is the same in every row is left out: reading is a fifth of what an event
-- of a deep backlog costs.
SELECT e.seq, e.id, e.key, e.type, e.payload, e.accepted_at, e.enqueued_by, e.attempt, e.cause, e.origin,
       coalesce(e.depth, 0), e.headers
FROM {schema}.event_log e
WHERE e.queue = $1 AND e.seq > $2 AND ($4::smallint[] IS NULL OR e.shard = ANY ($4))
  AND NOT EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = e.seq OFFSET 0)
ORDER BY e.seq
LIMIT $3;

-- name: due
-- Delayed events due at $1, the longest due first, at most $2, of all shards or of those in $3. The limit stands inside,
-- so that no join comes before it. OFFSET 0 makes it one look-up of a queue for each.
SELECT d.queue, d.id, q.service, q.tenant, d.key, d.type, d.payload, d.accepted_at, d.enqueued_by, d.attempt,
       d.cause, d.origin, coalesce(d.depth, 0), d.headers
FROM (
    SELECT * FROM {schema}.delayed
    WHERE due_at <= $1 AND ($3::smallint[] IS NULL OR shard = ANY ($3))
    ORDER BY due_at, id
    LIMIT $2
) d
CROSS JOIN LATERAL (SELECT * FROM {schema}.queue one WHERE one.id = d.queue OFFSET 0) q
ORDER BY d.due_at, d.id;

-- name: next_due
-- When the next delayed event is due, of all shards or of those in $1.
SELECT due_at FROM {schema}.delayed WHERE $1::smallint[] IS NULL OR shard = ANY ($1) ORDER BY due_at, id LIMIT 1;

-- name: has_unfinished
-- Whether any event of a service ($1) waits, runs, is delayed or on its way to the log.
SELECT EXISTS (SELECT FROM {schema}.outbox WHERE service = $1)
    OR EXISTS (SELECT FROM {schema}.delayed d JOIN {schema}.queue q ON q.id = d.queue WHERE q.service = $1)
    OR EXISTS (
        SELECT FROM {schema}.queue q
        WHERE q.service = $1 AND EXISTS (
            SELECT FROM {schema}.event_log e
            WHERE e.queue = q.id AND e.seq > q.watermark
              AND NOT EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = e.seq OFFSET 0)
        )
    );

-- name: find_entries
-- Places of the events named by ids ($1) and attempts ($2), in the order named. OFFSET 0 makes it one look-up for each.
SELECT e.seq, e.queue, e.id, q.service, q.tenant, e.key, e.type, e.payload, e.accepted_at, e.enqueued_by, e.attempt,
       e.cause, e.origin, coalesce(e.depth, 0), e.headers
FROM unnest($1::uuid[], $2::smallint[]) WITH ORDINALITY AS wanted (id, attempt, place)
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.event_log l WHERE l.id = wanted.id AND l.attempt = wanted.attempt OFFSET 0
) e
JOIN {schema}.queue q ON q.id = e.queue
ORDER BY wanted.place;

-- name: find_event
-- An event ($1) wherever it is known, the earliest attempt first.
SELECT e.id, q.service, q.tenant, e.key, e.type, e.payload, e.accepted_at, e.enqueued_by, e.attempt, e.cause, e.origin,
       coalesce(e.depth, 0), e.headers
FROM {schema}.event_log e CROSS JOIN LATERAL (SELECT * FROM {schema}.queue WHERE id = e.queue OFFSET 0) q
WHERE e.id = $1
UNION ALL
SELECT d.id, q.service, q.tenant, d.key, d.type, d.payload, d.accepted_at, d.enqueued_by, d.attempt, d.cause, d.origin,
       coalesce(d.depth, 0), d.headers
FROM {schema}.delayed d CROSS JOIN LATERAL (SELECT * FROM {schema}.queue WHERE id = d.queue OFFSET 0) q
WHERE d.id = $1
UNION ALL
SELECT d.id, d.service, d.tenant, d.key, d.type, d.payload, d.accepted_at, d.enqueued_by, d.attempt, d.cause, d.origin,
       coalesce(d.depth, 0), d.headers
FROM {schema}.dead_letter d
WHERE d.id = $1
ORDER BY 9
LIMIT 1;

-- name: resolve_outcomes
-- Whether the first of a batch's outcomes stands; the others share its fate.
SELECT EXISTS (SELECT FROM {schema}.outcome WHERE seq = $1);

-- name: resolve_delayed
-- Whether an event ($1, attempt $2) waits in the delayed table or has left it for the log.
SELECT EXISTS (SELECT FROM {schema}.delayed WHERE id = $1 AND attempt = $2)
    OR EXISTS (SELECT FROM {schema}.event_log WHERE id = $1 AND attempt = $2);

-- name: resolve_dead_letter
-- Whether an event ($1) is a dead letter.
SELECT EXISTS (SELECT FROM {schema}.dead_letter WHERE id = $1);

-- name: outcome_counts
-- Per tenant of a service ($1) after a number ($2): first attempts, done, dead. At most $3 tenants.
SELECT q.tenant, n.accepted, n.done, n.dead
FROM {schema}.queue q,
     LATERAL (
         SELECT count(*) FILTER (WHERE e.attempt = 1) AS accepted,
                count(*) FILTER (WHERE o.kind = 1) AS done,
                count(*) FILTER (WHERE o.kind = 3) AS dead
         FROM {schema}.event_log e
         LEFT JOIN {schema}.outcome o ON o.seq = e.seq
         WHERE e.queue = q.id AND e.seq > $2
     ) AS n
WHERE q.service = $1
ORDER BY q.tenant
LIMIT $3;
