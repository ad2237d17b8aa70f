-- name: write_states
-- Keeps the last state of actors: queues ($1) with keys ($2), versions ($3), states ($4), times ($5), labels ($6), and
-- whether they have ended ($7). No actor comes twice.
INSERT INTO {schema}.actor_state (queue, key, version, payload, saved_at, label, ended_at)
SELECT queue, key, version, payload, saved_at, label, CASE WHEN ended THEN saved_at END
FROM unnest($1::text::int[], $2::text::text[], $3::text::int[], $4::bytea[], $5::text::double precision[],
            $6::text::text[], $7::text::boolean[])
    AS saved (queue, key, version, payload, saved_at, label, ended)
ON CONFLICT (queue, key) DO UPDATE
SET version = excluded.version, payload = excluded.payload, saved_at = excluded.saved_at, label = excluded.label,
    ended_at = excluded.ended_at;

-- name: read_states
-- States of actors of a service ($1), named by tenants ($2) and keys ($3). OFFSET 0 makes it two look-ups for each.
SELECT q.service, q.tenant, s.key, s.version, s.payload, s.saved_at, s.label, s.ended_at IS NOT NULL AS ended
FROM unnest($2::text[], $3::text[]) AS wanted (tenant, key)
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.queue one WHERE one.service = $1 AND one.tenant = wanted.tenant OFFSET 0
) q
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.actor_state one WHERE one.queue = q.id AND one.key = wanted.key OFFSET 0
) s;

-- name: states_of_key
-- States of actors of a service ($1) that have a key ($2), of every tenant.
SELECT q.service, q.tenant, s.key, s.version, s.payload, s.saved_at, s.label, s.ended_at IS NOT NULL AS ended
FROM {schema}.queue q
JOIN {schema}.actor_state s ON s.queue = q.id AND s.key = $2
WHERE q.service = $1;

-- name: list_states
-- States of a service ($1) and, where given, a tenant ($2) with one of the labels ($3), whose keys are below $4 where
-- that is given: the highest $5. No more than so many are read of each tenant and label.
SELECT q.service, q.tenant, s.key, s.version, s.payload, s.saved_at, s.label, s.ended_at IS NOT NULL AS ended
FROM {schema}.queue q
CROSS JOIN unnest($3::text[]) AS wanted (label)
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.actor_state one
    WHERE one.queue = q.id AND one.label = wanted.label AND ($4::text IS NULL OR one.key < $4)
    ORDER BY one.key DESC
    LIMIT $5
) s
WHERE q.service = $1 AND ($2::text IS NULL OR q.tenant = $2)
ORDER BY s.key DESC, q.tenant DESC
LIMIT $5;

-- name: delete_states
-- Deletes up to $2 states that ended before $1.
DELETE FROM {schema}.actor_state WHERE ended_at IS NOT NULL AND (queue, key) IN (
    SELECT queue, key FROM {schema}.actor_state WHERE ended_at < $1 ORDER BY ended_at LIMIT $2
) RETURNING 1;
