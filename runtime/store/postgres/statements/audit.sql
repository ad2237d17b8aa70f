-- name: write_audit
-- Notes who ($1) did what ($2), when ($3), to which event ($4) or what else ($5), and why ($6).
INSERT INTO {schema}.audit (actor, action, at, subject, target, detail)
SELECT * FROM unnest($1::text[], $2::text[], $3::double precision[], $4::uuid[], $5::text[], $6::text[]);

-- name: audit
-- What was done, newest first: by whom ($1), what ($2), to which event ($3) or what else ($4), from time $5 until $6, each of
-- which may be null; before the record $7; at most $8.
SELECT id, action, actor, at, subject, target, detail
FROM {schema}.audit
WHERE ($1::text IS NULL OR actor = $1)
  AND ($2::text IS NULL OR action = $2)
  AND ($3::uuid IS NULL OR subject = $3)
  AND ($4::text IS NULL OR target = $4)
  AND ($5::double precision IS NULL OR at >= $5)
  AND ($6::double precision IS NULL OR at < $6)
  AND ($7::bigint IS NULL OR id < $7)
ORDER BY id DESC
LIMIT $8;
