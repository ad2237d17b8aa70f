-- name: lock_schedules
-- Lets changes come one after another, so that what a tenant may have is counted right.
SELECT pg_advisory_xact_lock(hashtext('{schema}'), 6);

-- name: schedule
-- One schedule: of a tenant ($1), by its name ($2).
SELECT definition, source, standing, revision, at, actor FROM {schema}.schedule WHERE tenant = $1 AND name = $2;

-- name: schedules
-- Schedules of a tenant ($1), of a service ($2), of a source ($3), each of which may be null: the $6 that follow the tenant
-- $4 and the name $5.
SELECT definition, source, standing, revision, at, actor
FROM {schema}.schedule
WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR service = $2) AND ($3::text IS NULL OR source = $3)
  AND (tenant, name) > ($4::text, $5::text)
ORDER BY tenant, name
LIMIT $6;

-- name: insert_schedule
-- Adds a schedule, or answers nothing where there is one: $1 tenant, $2 name, $3 service, $4 source, $5 when there is
-- something to decide, $6 now, $7 who adds it, $8 what it is, $9 where it stands.
INSERT INTO {schema}.schedule (tenant, name, service, source, look_at, at, actor, definition, standing)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING 1;

-- name: update_schedule
-- Makes a schedule of a revision ($10) another one, with the arguments of `insert_schedule`; it may answer nothing, too.
UPDATE {schema}.schedule
SET service = $3, source = $4, look_at = $5, at = $6, actor = $7, definition = $8, standing = $9,
    revision = nextval('{schema}.schedule_revision')
WHERE tenant = $1 AND name = $2 AND revision = $10
RETURNING 1;

-- name: delete_schedule
-- Deletes a schedule ($1 tenant, $2 name) of a revision ($3), or answers nothing.
DELETE FROM {schema}.schedule WHERE tenant = $1 AND name = $2 AND revision = $3 RETURNING 1;

-- name: count_schedules
-- How many schedules a tenant ($1) has; it stops counting at $2.
SELECT count(*) FROM (SELECT FROM {schema}.schedule WHERE tenant = $1 LIMIT $2) AS counted;

-- name: due_schedules
-- Up to $2 schedules for which there is something to decide at $1, the longest due first.
SELECT definition, source, standing, revision, at, actor
FROM {schema}.schedule
WHERE look_at <= $1
ORDER BY look_at
LIMIT $2;

-- name: next_schedule
-- When there will be something to decide.
SELECT look_at FROM {schema}.schedule WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1;

-- name: advance_schedules
-- Notes where schedules stand after a look at them, or fails.
SELECT {schema}.advance_schedules($1::text[], $2::text[], $3::bigint[], $4::double precision[], $5::text[]);

-- name: unended_runs
-- Which jobs ($1) have not ended: they wait, or run, or the actor of their service ($2), tenant ($3) and key ($4, which may
-- be null) names its state, and that has not ended.
SELECT run.id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS run (id, service, tenant, key)
WHERE EXISTS (SELECT FROM {schema}.delayed d WHERE d.id = run.id OFFSET 0)
   OR EXISTS (
       SELECT FROM {schema}.event_log e
       WHERE e.id = run.id AND NOT EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = e.seq OFFSET 0)
       OFFSET 0
   )
   OR EXISTS (
       SELECT FROM {schema}.queue q
       CROSS JOIN LATERAL (
           SELECT * FROM {schema}.actor_state one WHERE one.queue = q.id AND one.key = run.key OFFSET 0
       ) s
       WHERE q.service = run.service AND q.tenant = run.tenant AND s.label IS NOT NULL AND s.ended_at IS NULL
       OFFSET 0
   );
