-- What joins a transaction of somebody else's: such a transaction may be long, and must neither take numbers of the log
-- nor intern a queue, as both would make everyone wait for it. The runtime moves what is committed to the log, in the order
-- of the places among what it sees.
CREATE TABLE {schema}.outbox (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    service text NOT NULL,
    tenant text NOT NULL,
    key text,
    type text,
    payload bytea NOT NULL,
    accepted_at double precision NOT NULL,
    delay_seconds double precision NOT NULL DEFAULT 0 CHECK (delay_seconds >= 0 AND delay_seconds < 'infinity'),
    enqueued_by text NOT NULL,
    headers bytea
);

-- The limits of the app that started last, for what comes by SQL.
CREATE TABLE {schema}.admission_limit (
    the_only boolean PRIMARY KEY DEFAULT true CHECK (the_only),
    max_payload_bytes bigint NOT NULL,
    max_delay_seconds double precision NOT NULL
);
INSERT INTO {schema}.admission_limit (max_payload_bytes, max_delay_seconds) VALUES (1048576, 600);

CREATE FUNCTION {schema}.require_name(field text, value text, required boolean) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL THEN
        IF required THEN
            RAISE EXCEPTION '%: must not be null', field USING ERRCODE = 'invalid_parameter_value';
        END IF;
    ELSIF value = '' THEN
        RAISE EXCEPTION '%: must not be empty', field USING ERRCODE = 'invalid_parameter_value';
    ELSIF length(value) > 200 THEN
        RAISE EXCEPTION '%: has % characters; the limit is 200', field, length(value)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF value ~ '[\u0001-\u001f\u007f-\u009f]' THEN
        RAISE EXCEPTION '%: must not contain control characters', field USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;

-- A UUIDv7 (RFC 9562): 48 bits of milliseconds, the version, then random bits.
CREATE FUNCTION {schema}.new_id() RETURNS uuid
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

-- Accepts an event in the transaction at hand, for any client or trigger. It runs with the rights of the schema's owner,
-- so that EXECUTE is all that a role needs; it names that role in `enqueued_by`. The search path holds nothing that a user
-- can put a function or a table into, and every name of ours is qualified.
CREATE FUNCTION {schema}.enqueue(
    service text,
    tenant text,
    payload jsonb,
    key text DEFAULT NULL,
    type text DEFAULT NULL,
    delay interval DEFAULT '0',
    id uuid DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    limits record;
    content bytea := convert_to(payload::text, 'UTF8');
    seconds double precision := extract(epoch FROM delay);
    given uuid := coalesce(id, {schema}.new_id());
BEGIN
    SELECT l.max_payload_bytes, l.max_delay_seconds INTO STRICT limits FROM {schema}.admission_limit l;
    PERFORM {schema}.require_name('service', service, true),
            {schema}.require_name('tenant', tenant, true),
            {schema}.require_name('key', key, false),
            {schema}.require_name('type', type, false);
    IF payload IS NULL OR jsonb_typeof(payload) <> 'object' THEN
        RAISE EXCEPTION 'payload: must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF length(content) > limits.max_payload_bytes THEN
        RAISE EXCEPTION 'payload: is % bytes; the limit is %', length(content), limits.max_payload_bytes
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF seconds IS NULL OR NOT (seconds >= 0 AND seconds <= limits.max_delay_seconds) THEN
        RAISE EXCEPTION 'delay: must be between 0 and % seconds, not %', limits.max_delay_seconds, delay
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF given::text !~ '^.{14}7.{4}[89ab]' THEN
        RAISE EXCEPTION 'id: must be a UUIDv7, not %', given USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO {schema}.outbox AS o
        (id, service, tenant, key, type, payload, accepted_at, delay_seconds, enqueued_by)
    VALUES (given, service, tenant, key, type, content, extract(epoch FROM clock_timestamp()), seconds,
            'sql:' || session_user)
    ON CONFLICT ON CONSTRAINT outbox_id_key DO NOTHING;
    RETURN given;
END $$;

REVOKE ALL ON FUNCTION {schema}.enqueue(text, text, jsonb, text, text, interval, uuid) FROM PUBLIC;

-- Takes what is moved to the log out of the outbox, all of it or nothing: another process may have been faster.
CREATE FUNCTION {schema}.take_outbox(places bigint[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    taken bigint;
BEGIN
    DELETE FROM {schema}.outbox WHERE place = ANY (places);
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken <> cardinality(places) THEN
        RAISE EXCEPTION 'another process has moved it' USING ERRCODE = 'PR002';
    END IF;
END $$;
