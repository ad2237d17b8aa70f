-- {schema} stands for the quoted name of the schema. Times are seconds since the epoch; the view at the end is for people.

-- Interns (service, tenant), so that the log carries 4 bytes for both.
CREATE TABLE {schema}.queue (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    tenant text NOT NULL,
    watermark bigint NOT NULL DEFAULT 0 CHECK (watermark >= 0),
    UNIQUE (service, tenant)
);

-- Who may write. One row a shard; a process owns a shard in one epoch.
CREATE TABLE {schema}.shard (
    shard smallint PRIMARY KEY CHECK (shard >= 0),
    owner uuid,
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0)
);

-- The end of the log. Numbers are taken by enter() only, under a lock that is held until the commit.
CREATE SEQUENCE {schema}.log_position AS bigint;

-- Append only. Ids are UUIDv7, so ranges of ids are ranges of time, and the primary key stays global over partitions.
CREATE TABLE {schema}.event_log (
    id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    accepted_at double precision NOT NULL,
    queue int NOT NULL,
    attempt smallint NOT NULL CHECK (attempt > 0),
    shard smallint NOT NULL CHECK (shard >= 0),
    type text NOT NULL,
    payload bytea NOT NULL,
    enqueued_by text NOT NULL,
    key text,
    cause uuid,
    origin uuid,
    PRIMARY KEY (id, attempt)
) PARTITION BY RANGE (id);
CREATE TABLE {schema}.event_log_default PARTITION OF {schema}.event_log DEFAULT;
CREATE INDEX event_log_queue_seq ON {schema}.event_log (queue, seq);

-- Append only. The primary key is the last fence: two runs of one entry cannot both commit.
CREATE TABLE {schema}.outcome (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    started_at double precision NOT NULL,
    finished_at double precision NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    error text
) PARTITION BY RANGE (seq);
CREATE TABLE {schema}.outcome_default PARTITION OF {schema}.outcome DEFAULT;

-- Events that join the log later. Keyed by attempt too: an event accepted twice must not keep out its own retry.
CREATE TABLE {schema}.delayed (
    id uuid NOT NULL,
    due_at double precision NOT NULL CHECK (due_at < 'infinity'),
    accepted_at double precision NOT NULL,
    queue int NOT NULL,
    attempt smallint NOT NULL CHECK (attempt > 0),
    shard smallint NOT NULL CHECK (shard >= 0),
    type text NOT NULL,
    payload bytea NOT NULL,
    enqueued_by text NOT NULL,
    key text,
    cause uuid,
    origin uuid,
    PRIMARY KEY (id, attempt)
);
CREATE INDEX delayed_due_at ON {schema}.delayed (due_at, id);

-- A copy of all that is needed to run the event again, so that it outlives its partition of the log.
CREATE TABLE {schema}.dead_letter (
    id uuid PRIMARY KEY,
    accepted_at double precision NOT NULL,
    died_at double precision NOT NULL,
    attempt smallint NOT NULL CHECK (attempt > 0),
    service text NOT NULL,
    tenant text NOT NULL,
    type text NOT NULL,
    payload bytea NOT NULL,
    enqueued_by text NOT NULL,
    key text,
    cause uuid,
    origin uuid,
    cause_type text NOT NULL,
    cause_message text NOT NULL,
    cause_stack text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    replayed_as uuid,
    CHECK ((state = 'replayed') = (replayed_as IS NOT NULL))
);
CREATE INDEX dead_letter_newest ON {schema}.dead_letter (died_at, id);
CREATE INDEX dead_letter_state ON {schema}.dead_letter (state, died_at, id);
CREATE INDEX dead_letter_service ON {schema}.dead_letter (service, state, died_at, id);
CREATE INDEX dead_letter_tenant ON {schema}.dead_letter (tenant, state, died_at, id);

CREATE TABLE {schema}.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at double precision NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject uuid NOT NULL,
    detail text
);
CREATE INDEX audit_subject ON {schema}.audit (subject, id);

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.audit
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

-- The fence and the end of the log. Every transaction that writes calls it once, in its last statement.
--
-- Advisory locks (hashtext of the schema, n): 1 = the lease's session, 2 = writers (shared) against a change of owner
-- (exclusive), 3 = the end of the log.
--
-- A change of owner waits for the writers that passed the fence and have not committed; a writer that comes after it
-- reads the new owner, because each query of a volatile function has a snapshot of its own. Where the transaction has
-- one snapshot for all (repeatable read), locking the rows fails if they have changed since.
--
-- Lock 3 is held until the commit is visible, so the log grows in commit order, and a reader that has seen a number
-- will never find a smaller one appear later. A sequence, not a row: a row updated by every commit is one dead version
-- for each, and an old snapshot anywhere keeps them all. Deferred constraints run before the lock, not under it.
CREATE FUNCTION {schema}.enter(writer uuid, since_epoch bigint, shards int, entries int) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last_seq bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('{schema}'), 2);
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM FROM {schema}.shard FOR SHARE;
    END IF;
    IF (SELECT count(*) FROM {schema}.shard WHERE owner = writer AND epoch = since_epoch) <> shards THEN
        RAISE EXCEPTION 'another incarnation owns the shards' USING ERRCODE = 'PR001';
    END IF;
    IF entries > 0 THEN
        SET CONSTRAINTS ALL IMMEDIATE;
        PERFORM pg_advisory_xact_lock(hashtext('{schema}'), 3);
        last_seq := nextval('{schema}.log_position');
        IF entries > 1 THEN
            last_seq := setval('{schema}.log_position', last_seq + entries - 1);
        END IF;
    END IF;
    RETURN last_seq;
END $$;

-- Not all that JSON allows fits jsonb: the escape \u0000, for one. One such payload must not break a query over all.
CREATE FUNCTION {schema}.readable(payload bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(payload, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN to_jsonb(encode(payload, 'escape'));
END $$;

CREATE VIEW {schema}.event AS
SELECT e.id,
       q.service,
       q.tenant,
       e.key,
       e.type,
       {schema}.readable(e.payload) AS payload,
       to_timestamp(e.accepted_at) AS accepted_at,
       e.attempt,
       CASE o.kind WHEN 1 THEN 'done' WHEN 2 THEN 'retry' WHEN 3 THEN 'dead' END AS outcome,
       to_timestamp(o.started_at) AS started_at,
       to_timestamp(o.finished_at) AS finished_at,
       o.error,
       e.enqueued_by,
       e.cause,
       e.origin,
       e.seq
FROM {schema}.event_log e
JOIN {schema}.queue q ON q.id = e.queue
LEFT JOIN {schema}.outcome o ON o.seq = e.seq;
