-- name: write_holds
-- Holds entries of the log: numbers ($1) with queues ($2), attempts ($3), times ($4), errors ($5). None comes twice. They
-- have come to an end for now, so what marked them as started is gone.
WITH unmarked AS (
    DELETE FROM {schema}.start_mark WHERE seq = ANY ($1)
)
INSERT INTO {schema}.hold (seq, queue, attempt, due_at, error)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::double precision[], $5::text[])
ON CONFLICT (seq) DO UPDATE
SET attempt = excluded.attempt, due_at = excluded.due_at, error = excluded.error;

-- name: end_holds
-- Forgets the holds of entries ($1).
DELETE FROM {schema}.hold WHERE seq = ANY ($1::bigint[]);

-- name: read_holds
-- The first $3 holds of a service ($1) after a number ($2), of entries that have no outcome.
SELECT h.seq, h.queue, h.attempt, h.due_at, h.error
FROM {schema}.hold h
JOIN {schema}.queue q ON q.id = h.queue
WHERE q.service = $1 AND h.seq > $2 AND NOT EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = h.seq OFFSET 0)
ORDER BY h.seq
LIMIT $3;
