-- name: hold_lease
-- Takes the lease for as long as this session lives, or answers false.
SELECT pg_try_advisory_lock(hashtext('{schema}'), 1);

-- name: hold_lease_in_transaction
-- The same for as long as this transaction stays open, which is what a transaction pooler keeps on one server session.
SELECT pg_try_advisory_xact_lock(hashtext('{schema}'), 1);

-- name: owner
-- Who wrote last.
SELECT owner FROM {schema}.shard WHERE owner IS NOT NULL ORDER BY epoch DESC LIMIT 1;

-- name: wait_writers
-- Waits for every transaction that has passed the fence, and keeps others from it until this one ends.
SELECT pg_advisory_xact_lock(hashtext('{schema}'), 2);

-- name: create_shards
-- Makes the shards at the first lease; their number stays what it was then.
INSERT INTO {schema}.shard (shard)
SELECT n FROM generate_series(0, $1::int - 1) AS n
WHERE NOT EXISTS (SELECT FROM {schema}.shard);

-- name: take_shards
-- Makes $1 the owner of every shard, with a new epoch. Unless $2, only of those it owns already.
UPDATE {schema}.shard SET owner = $1, epoch = (SELECT max(epoch) + 1 FROM {schema}.shard)
WHERE $2::boolean OR owner = $1
RETURNING shard, epoch;

-- name: count_shards
-- How many shards there are.
SELECT count(*) FROM {schema}.shard;
