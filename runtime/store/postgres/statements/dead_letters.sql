-- name: dead_letters
-- Newest first: service ($1), tenant ($2) and state ($3) may be null for any; after the letter $4; at most $5.
SELECT d.id, d.service, d.tenant, d.key, d.type, d.payload, d.accepted_at, d.enqueued_by, d.attempt, d.cause, d.origin,
       coalesce(d.depth, 0), d.headers, d.cause_type, d.cause_message, d.cause_stack, d.died_at, d.state, d.replayed_as
FROM {schema}.dead_letter d
WHERE ($1::text IS NULL OR d.service = $1)
  AND ($2::text IS NULL OR d.tenant = $2)
  AND ($3::text IS NULL OR d.state = $3)
  AND ($4::uuid IS NULL
       OR (d.died_at, d.id) < ((SELECT b.died_at FROM {schema}.dead_letter b WHERE b.id = $4), $4))
ORDER BY d.died_at DESC, d.id DESC
LIMIT $5;

-- name: dead_letter
-- One dead letter.
SELECT d.id, d.service, d.tenant, d.key, d.type, d.payload, d.accepted_at, d.enqueued_by, d.attempt, d.cause, d.origin,
       coalesce(d.depth, 0), d.headers, d.cause_type, d.cause_message, d.cause_stack, d.died_at, d.state, d.replayed_as
FROM {schema}.dead_letter d
WHERE d.id = $1;

-- name: attempts
-- Every attempt at an event that the log still has.
SELECT e.attempt, e.accepted_at,
       CASE o.kind WHEN 1 THEN 'done' WHEN 2 THEN 'retry' WHEN 3 THEN 'dead' WHEN 4 THEN 'aborted' END AS outcome,
       o.started_at, o.finished_at, o.error
FROM {schema}.event_log e
LEFT JOIN {schema}.outcome o ON o.seq = e.seq
WHERE e.id = $1
ORDER BY e.attempt;

-- name: audit_of
-- What was done to an event, in order.
SELECT action, actor, at, detail FROM {schema}.audit WHERE subject = $1 ORDER BY id;

-- name: replay_outcomes
-- How replays ($1) ended: 1 done, 3 dead, 4 aborted; those still pending are left out. One that the log no longer has did end: it is
-- a dead letter of its own, or done.
SELECT e.id, o.kind
FROM {schema}.event_log e
JOIN {schema}.outcome o ON o.seq = e.seq
WHERE e.id = ANY ($1::uuid[]) AND o.kind <> 2
UNION ALL
SELECT r.id, CASE WHEN EXISTS (SELECT FROM {schema}.dead_letter l WHERE l.id = r.id) THEN 3 ELSE 1 END
FROM unnest($1) AS r (id)
WHERE NOT EXISTS (SELECT FROM {schema}.event_log e WHERE e.id = r.id)
  AND NOT EXISTS (SELECT FROM {schema}.delayed d WHERE d.id = r.id);

-- name: close_dead_letter
-- Takes an open dead letter ($1) to state $2, replayed as $3, and notes who ($4) did it, when ($5) and why ($6).
WITH closed AS (
    UPDATE {schema}.dead_letter SET state = $2, replayed_as = $3 WHERE id = $1 AND state = 'open' RETURNING id
)
INSERT INTO {schema}.audit (at, actor, action, subject, detail)
SELECT $5::double precision, $4::text, CASE $2 WHEN 'replayed' THEN 'replay' ELSE 'discard' END, id, $6::text
FROM closed
RETURNING id;

-- name: dead_letter_state
-- The state of a dead letter.
SELECT state FROM {schema}.dead_letter WHERE id = $1;
