-- name: partitions
-- The partitions of a log ($1, schema $2), but for its default one.
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
FROM pg_class c
JOIN pg_inherits i ON i.inhrelid = c.oid
JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE p.relname = $1 AND n.nspname = $2 AND c.relpartbound IS NOT NULL
  AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT';

-- name: try_maintain
-- One process at a time changes the partitions, until the end of the transaction.
SELECT pg_try_advisory_xact_lock(hashtext('{schema}'), 4);

-- name: make_partition
-- Makes a partition and moves rows of its range there from the default one, which would keep it from being attached.
CREATE TABLE {schema}.{partition} (LIKE {schema}.{log} INCLUDING ALL);
LOCK TABLE {schema}.{log}_default IN ACCESS EXCLUSIVE MODE;
WITH moved AS (
    DELETE FROM {schema}.{log}_default WHERE {column} >= {lower} AND {column} < {upper} RETURNING *
)
INSERT INTO {schema}.{partition} SELECT * FROM moved;
ALTER TABLE {schema}.{log} ATTACH PARTITION {schema}.{partition} FOR VALUES FROM ({lower}) TO ({upper});

-- name: stop_log
-- Waits for every transaction that uses a log, and keeps others from it until this one ends.
LOCK TABLE {schema}.{log} IN ACCESS EXCLUSIVE MODE;

-- name: drop_partition
-- Drops a partition, for which the log has to be stopped.
DROP TABLE {schema}.{partition};

-- name: end_of_log
-- The newest number given. It may belong to a transaction that has not committed.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {schema}.log_position;

-- name: events_have_ended
-- Whether each event of a partition has its final outcome: its queue's watermark has passed it, and no retry waits in the
-- delayed table, which holds ids from $1 up to $2 if any. One look at the end of an index for each queue.
SELECT NOT EXISTS (
    SELECT FROM {schema}.queue q
    WHERE q.watermark < (SELECT max(e.seq) FROM {schema}.{partition} e WHERE e.queue = q.id)
) AND NOT EXISTS (SELECT FROM {schema}.delayed WHERE id >= $1 AND id < $2);

-- name: outcomes_are_orphans
-- Whether the log has lost every event numbered from $1 up to $2, all of which were committed.
SELECT $2 <= (SELECT max(watermark) FROM {schema}.queue) AND NOT EXISTS (
    SELECT FROM {schema}.queue q
    WHERE EXISTS (SELECT FROM {schema}.event_log e WHERE e.queue = q.id AND e.seq >= $1 AND e.seq < $2)
);

-- name: delete_stray_events
-- Deletes up to $2 events that lie in no range of time and were accepted before $1, as far as they have ended.
DELETE FROM {schema}.event_log_default WHERE (id, attempt) IN (
    SELECT e.id, e.attempt
    FROM {schema}.event_log_default e
    JOIN {schema}.queue q ON q.id = e.queue
    WHERE e.accepted_at < $1 AND e.seq <= q.watermark
      AND NOT EXISTS (SELECT FROM {schema}.delayed d WHERE d.id = e.id)
    LIMIT $2
) RETURNING 1;

-- name: delete_stray_outcomes
-- Deletes up to $2 outcomes below $1 that lie in no range.
DELETE FROM {schema}.outcome_default WHERE seq IN (
    SELECT seq FROM {schema}.outcome_default WHERE seq < $1 ORDER BY seq LIMIT $2
) RETURNING 1;
