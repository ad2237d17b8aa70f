-- name: lock_policies
-- Lets changes come one after another, so that version numbers appear in order and each builds on the one before.
SELECT pg_advisory_xact_lock(hashtext('{schema}'), 5);

-- name: change_policy
-- Writes a version of a scope ($1 service, $2 tenant): the newest settings without those named in $4, and $3 over them.
INSERT INTO {schema}.policy (service, tenant, settings, at, actor, reason)
SELECT $1, $2, (coalesce(newest.settings, '{}'::jsonb) - $4::text[]) || $3::text::jsonb, $5, $6, $7
FROM (SELECT) AS one
LEFT JOIN LATERAL (
    SELECT p.settings FROM {schema}.policy p WHERE p.service = $1 AND p.tenant = $2 ORDER BY p.version DESC LIMIT 1
) AS newest ON true
RETURNING version, service, tenant, settings::text, at, actor, reason;

-- name: policy_version
-- The number of the newest version.
SELECT coalesce(max(version), 0) FROM {schema}.policy;

-- name: policies
-- The newest version of each scope, at most $1 of them.
SELECT DISTINCT ON (service, tenant) version, service, tenant, settings::text, at, actor, reason
FROM {schema}.policy
ORDER BY service, tenant, version DESC
LIMIT $1;

-- name: policy_history
-- The last $3 versions of a scope ($1 service, $2 tenant).
SELECT version, service, tenant, settings::text, at, actor, reason
FROM {schema}.policy
WHERE service = $1 AND tenant = $2
ORDER BY version DESC
LIMIT $3;

-- name: policy_of_version
-- The version of that number ($1).
SELECT version, service, tenant, settings::text, at, actor, reason FROM {schema}.policy WHERE version = $1;

-- name: add_usage
-- Adds events ($3) to hours ($2) of tenants ($1).
INSERT INTO {schema}.quota_hour AS q (tenant, hour, events)
SELECT tenant, hour, events FROM unnest($1::text[], $2::int[], $3::bigint[]) AS added (tenant, hour, events)
ON CONFLICT (tenant, hour) DO UPDATE SET events = q.events + excluded.events;

-- name: usage
-- The hours of tenants ($1) since one ($2): at most a day's for each.
SELECT tenant, hour, events FROM {schema}.quota_hour WHERE tenant = ANY ($1::text[]) AND hour >= $2;

-- name: forget_usage
-- Forgets the hours before one ($1), some at a time.
DELETE FROM {schema}.quota_hour q
USING (SELECT tenant, hour FROM {schema}.quota_hour WHERE hour < $1 LIMIT 10000) AS old
WHERE q.tenant = old.tenant AND q.hour = old.hour;

-- name: count_waiting
-- How many entries of a service ($1) and a tenant ($2), null for all, have no outcome; it stops counting at $3.
SELECT count(*) FROM (
    SELECT FROM {schema}.queue q
    JOIN LATERAL (
        SELECT FROM {schema}.event_log e
        WHERE e.queue = q.id AND e.seq > q.watermark
          AND NOT EXISTS (SELECT FROM {schema}.outcome o WHERE o.seq = e.seq OFFSET 0)
        ORDER BY e.seq
        LIMIT $3
    ) AS waiting ON true
    WHERE ($1::text IS NULL OR q.service = $1) AND ($2::text IS NULL OR q.tenant = $2)
    LIMIT $3
) AS counted;
