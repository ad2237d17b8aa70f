-- name: write_states
-- Keeps the last state of actors: queues ($1) with keys ($2), versions ($3), states ($4), times ($5). No actor comes twice.
INSERT INTO {schema}.actor_state (queue, key, version, payload, saved_at)
SELECT * FROM unnest($1::int[], $2::text[], $3::int[], $4::bytea[], $5::double precision[])
ON CONFLICT (queue, key) DO UPDATE
SET version = excluded.version, payload = excluded.payload, saved_at = excluded.saved_at;

-- name: read_states
-- States of actors of a service ($1), named by tenants ($2) and keys ($3).
SELECT q.service, q.tenant, s.key, s.version, s.payload, s.saved_at
FROM unnest($2::text[], $3::text[]) AS wanted (tenant, key)
JOIN {schema}.queue q ON q.service = $1 AND q.tenant = wanted.tenant
JOIN {schema}.actor_state s ON s.queue = q.id AND s.key = wanted.key;
