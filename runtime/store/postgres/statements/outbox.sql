-- name: put_into_outbox
-- Puts an event into the outbox, in whatever transaction it is sent: the event's fields, then its delay.
INSERT INTO {schema}.outbox (id, service, tenant, key, type, payload, accepted_at, enqueued_by, headers, delay_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING;

-- name: outbox
-- What waits in the outbox, the oldest places first, at most $1.
SELECT place, id, service, tenant, key, type, payload, accepted_at, enqueued_by, headers, delay_seconds
FROM {schema}.outbox
ORDER BY place
LIMIT $1;

-- name: outbox_event
-- The same for one event ($1).
SELECT place, id, service, tenant, key, type, payload, accepted_at, enqueued_by, headers, delay_seconds
FROM {schema}.outbox
WHERE id = $1;

-- name: take_outbox
-- Takes places ($1) out of it, or fails.
SELECT {schema}.take_outbox($1::bigint[]);

-- name: set_limits
-- Tells the SQL function what to refuse: payloads over $1 bytes, delays over $2 seconds.
UPDATE {schema}.admission_limit SET max_payload_bytes = $1, max_delay_seconds = $2
WHERE (max_payload_bytes, max_delay_seconds) IS DISTINCT FROM ($1, $2);
