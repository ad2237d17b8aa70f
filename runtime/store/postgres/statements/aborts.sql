-- name: order_abort
-- Notes that $2 wants to end the job $1 at the time $3, and why ($4). The first order counts.
INSERT INTO {schema}.abort_order (id, actor, at, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: abort_orders
-- What is to be ended, the oldest first, at most $1.
SELECT id, actor, at, reason FROM {schema}.abort_order ORDER BY id LIMIT $1;

-- name: forget_aborts
-- Forgets orders ($1).
DELETE FROM {schema}.abort_order WHERE id = ANY ($1::uuid[]);

-- name: take_delayed
-- Takes a delayed event ($1, attempt $2) out, if it is still there.
DELETE FROM {schema}.delayed WHERE id = $1 AND attempt = $2 RETURNING 1;
