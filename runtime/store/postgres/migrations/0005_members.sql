-- Processes that share the database. A row is a process that may write; taking the row away fences it for good.
CREATE SEQUENCE {schema}.epoch AS bigint;
CREATE SEQUENCE {schema}.member_number AS int;
CREATE TABLE {schema}.member (
    incarnation uuid PRIMARY KEY,
    number int NOT NULL UNIQUE,
    epoch bigint NOT NULL,
    label text NOT NULL,
    url text,
    passive boolean NOT NULL,
    joined_at double precision NOT NULL
);

-- Signs of life, apart from the members: a row that is updated all the time would fail every transaction of a handler
-- that asks for repeatable read, because enter() locks its member there.
CREATE TABLE {schema}.heartbeat (
    incarnation uuid PRIMARY KEY REFERENCES {schema}.member ON DELETE CASCADE,
    seen_at double precision NOT NULL,
    position bigint NOT NULL
);

-- `clean` says of a shard without owner whether its last one gave it up with nothing running.
ALTER TABLE {schema}.shard DROP COLUMN epoch;
UPDATE {schema}.shard SET owner = NULL;
ALTER TABLE {schema}.shard ADD FOREIGN KEY (owner) REFERENCES {schema}.member ON DELETE SET NULL;

-- Events that somebody appended to shards that are not his own, so that their owners learn of them: one row a commit,
-- numbered like its last event. `touched` holds queue * 65536 + shard.
CREATE TABLE {schema}.arrival (
    seq bigint PRIMARY KEY,
    touched bigint[] NOT NULL
);

-- The fence and the end of the log. Every transaction that writes calls it once, in its last statement.
--
-- Without a writer (null) it lets anybody append events, who must name what they touch.
--
-- Advisory locks (hashtext of the schema, n): 2 = writers (shared) against a change of the members that takes away what
-- one may write (exclusive), 3 = the end of the log, 4 = partitions. (hashtext of the schema and "member", number of the
-- member): its session.
--
-- A change of members waits for the writers that passed the fence and have not committed; a writer that comes after it
-- sees it, because each query of a volatile function has a snapshot of its own. Where the transaction has one snapshot
-- for all (repeatable read), locking the row fails if it has changed since.
--
-- Lock 3 is held until the commit is visible, so the log grows in commit order, and a reader that has seen a number
-- will never find a smaller one appear later. A sequence, not a row: a row updated by every commit is one dead version
-- for each, and an old snapshot anywhere keeps them all. Deferred constraints run before the lock, not under it.
--
-- A process that is paused in the middle of its commit would hold both locks against everyone: the server ends its
-- transaction.
DROP FUNCTION {schema}.enter(uuid, bigint, int, int);
CREATE FUNCTION {schema}.enter(writer uuid, since_epoch bigint, touched bigint[], entries int) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last_seq bigint := 0;
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', '5s', true), set_config('statement_timeout', '60s', true);
    PERFORM pg_advisory_xact_lock_shared(hashtext('{schema}'), 2);
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM FROM {schema}.member WHERE incarnation = writer FOR SHARE;
    END IF;
    IF writer IS NOT NULL
       AND NOT EXISTS (SELECT FROM {schema}.member WHERE incarnation = writer AND epoch = since_epoch) THEN
        RAISE EXCEPTION 'this incarnation is no member any more' USING ERRCODE = 'PR001';
    END IF;
    IF entries > 0 THEN
        SET CONSTRAINTS ALL IMMEDIATE;
        PERFORM pg_advisory_xact_lock(hashtext('{schema}'), 3);
        last_seq := nextval('{schema}.log_position');
        IF entries > 1 THEN
            last_seq := setval('{schema}.log_position', last_seq + entries - 1);
        END IF;
        IF touched IS NOT NULL THEN
            INSERT INTO {schema}.arrival (seq, touched) VALUES (last_seq, touched);
        END IF;
    END IF;
    RETURN last_seq;
END $$;
