-- name: member_number
-- A number for a new member, which names the lock of its session.
SELECT nextval('{schema}.member_number')::int;

-- name: hold_session
-- Takes the lock of member $1 for as long as this session lives, or answers false.
SELECT pg_try_advisory_lock(hashtext('{schema} member'), $1);

-- name: hold_session_in_transaction
-- The same for as long as this transaction stays open, which is what a transaction pooler keeps on one server session.
SELECT pg_try_advisory_xact_lock(hashtext('{schema} member'), $1);

-- name: wait_writers
-- Waits for every transaction that has passed the fence, and keeps others from it until this one ends.
SELECT pg_advisory_xact_lock(hashtext('{schema}'), 2);

-- name: create_shards
-- Makes the shards when the first member joins; their number stays what it was then.
INSERT INTO {schema}.shard (shard)
SELECT n FROM generate_series(0, $1::int - 1) AS n
WHERE NOT EXISTS (SELECT FROM {schema}.shard);

-- name: join_members
-- Adds a member: incarnation, number, label, URL, whether it takes no shards, the time. May be repeated.
INSERT INTO {schema}.member (incarnation, number, epoch, label, url, passive, joined_at)
VALUES ($1, $2, nextval('{schema}.epoch'), $3, $4, $5, $6)
ON CONFLICT (incarnation) DO UPDATE SET epoch = excluded.epoch
RETURNING epoch;

-- name: beat
-- Notes that member $1 is alive at $2, up to which number ($3) it knows what arrived, and how busy ($4) it is.
INSERT INTO {schema}.heartbeat (incarnation, seen_at, position, utilization)
SELECT incarnation, $2, $3, $4 FROM {schema}.member WHERE incarnation = $1
ON CONFLICT (incarnation) DO UPDATE
SET seen_at = excluded.seen_at, position = excluded.position, utilization = excluded.utilization;

-- name: renew_member
-- A new epoch for member $1, which fences what it sent in the one before.
UPDATE {schema}.member SET epoch = nextval('{schema}.epoch') WHERE incarnation = $1 RETURNING epoch;

-- name: show_member
-- Changes how member $1 presents itself: label, URL, whether it takes no shards.
UPDATE {schema}.member SET label = $2, url = $3, passive = $4 WHERE incarnation = $1;

-- name: confirm_member
-- Whether $1 is a member still; it stays one until the end of the transaction.
SELECT epoch FROM {schema}.member WHERE incarnation = $1 FOR SHARE;

-- name: remove_member
-- Takes away a member ($1, epoch $2), which fences it for good. Its shards have no owner then.
DELETE FROM {schema}.member WHERE incarnation = $1 AND epoch = $2 RETURNING incarnation;

-- name: own_shards
-- The shards of member $1, and how many there are in all.
SELECT array(SELECT shard FROM {schema}.shard WHERE owner = $1 ORDER BY shard) AS own,
       (SELECT count(*)::int FROM {schema}.shard) AS count;

-- name: free_shards
-- The shards without owner.
SELECT shard FROM {schema}.shard WHERE owner IS NULL ORDER BY shard;

-- name: take_shards
-- Makes member $1 the owner of those of the shards $2 that have none. Answers whether each was left with nothing running.
WITH free AS (
    SELECT shard, clean FROM {schema}.shard WHERE owner IS NULL AND shard = ANY ($2::smallint[]) ORDER BY shard FOR UPDATE
)
UPDATE {schema}.shard s SET owner = $1, clean = false
FROM free
WHERE s.shard = free.shard
RETURNING s.shard, free.clean;

-- name: give_up_shards
-- Gives up shards ($2) of member $1 with nothing running, except those ($3) in which something may be amiss.
UPDATE {schema}.shard SET owner = NULL, clean = shard <> ALL ($3::smallint[])
WHERE owner = $1 AND shard = ANY ($2::smallint[]);

-- name: members
-- Every member with its shards. The lock of a session that has ended can be had; this answers for all but $1.
SELECT m.incarnation, m.epoch, m.label, m.url, m.passive, m.joined_at,
       array(SELECT s.shard FROM {schema}.shard s WHERE s.owner = m.incarnation ORDER BY s.shard) AS shards,
       coalesce(h.seen_at, m.joined_at) AS seen_at,
       coalesce(h.position, 0) AS position,
       coalesce(h.utilization, 0) AS utilization,
       m.incarnation <> $1 AND pg_try_advisory_xact_lock_shared(hashtext('{schema} member'), m.number) AS ended
FROM {schema}.member m
LEFT JOIN {schema}.heartbeat h ON h.incarnation = m.incarnation
ORDER BY m.number;

-- name: arrivals
-- What others appended after number $1, at most $2 commits.
SELECT seq, touched FROM {schema}.arrival WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: pulse
-- Whether there are arrivals after number $1, and when the next delayed event is due, of all shards or of those in $2.
SELECT EXISTS (SELECT FROM {schema}.arrival WHERE seq > $1),
       (
           SELECT due_at FROM {schema}.delayed WHERE $2::smallint[] IS NULL OR shard = ANY ($2) ORDER BY due_at, id LIMIT 1
       );

-- name: forget_arrivals
-- Forgets what every member knows: $1 is the lowest position of all.
DELETE FROM {schema}.arrival WHERE seq <= $1;

-- name: queues_by_id
-- The queues of the ids $1, as `queues` shows them.
SELECT q.id, q.service, q.tenant, q.watermark,
       greatest(q.watermark, (SELECT max(e.seq) FROM {schema}.event_log e WHERE e.queue = q.id)) AS last_seq
FROM {schema}.queue q
WHERE q.id = ANY ($1::int[]);
