-- name: start_marks
-- Suspects without outcome, and how often each was started.
SELECT m.seq, m.starts FROM {schema}.start_mark m
WHERE NOT EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = m.seq);

-- name: mark_started
-- Notes that suspects ($4) are about to be started for the time $5; $1 to $3 are the fence. The count is given, so that this may be repeated.
WITH fence AS MATERIALIZED (
    SELECT {schema}.enter($1, $2, $3, 0) AS last_seq
)
INSERT INTO {schema}.start_mark (seq, starts)
SELECT m.seq, m.starts FROM fence, unnest($4::bigint[], $5::smallint[]) AS m (seq, starts)
ON CONFLICT (seq) DO UPDATE SET starts = excluded.starts;

-- name: clear_marks
-- Forgets the marks of what has its outcome.
WITH fence AS MATERIALIZED (
    SELECT {schema}.enter($1, $2, $3, 0) AS last_seq
)
DELETE FROM {schema}.start_mark m USING fence
WHERE EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = m.seq);
