-- Schedules: what each of them is (JSON, in the text that was given), and where it stands. `look_at` is when there is
-- something to decide. Every write of a row takes another revision, so that what was decided on an older one is refused.
CREATE SEQUENCE {schema}.schedule_revision;
CREATE TABLE {schema}.schedule (
    tenant text NOT NULL,
    name text NOT NULL,
    revision bigint NOT NULL DEFAULT nextval('{schema}.schedule_revision'),
    service text NOT NULL,
    source text NOT NULL CHECK (source IN ('app', 'people')),
    look_at double precision,
    at double precision NOT NULL,
    actor text NOT NULL,
    definition text NOT NULL,
    standing text NOT NULL,
    PRIMARY KEY (tenant, name)
);
CREATE INDEX schedule_look_at ON {schema}.schedule (look_at) WHERE look_at IS NOT NULL;

-- Notes where schedules stand after a look at them, all of it or nothing: one of them may have changed meanwhile.
CREATE FUNCTION {schema}.advance_schedules(
    tenants text[], names text[], revisions bigint[], looks double precision[], standings text[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    advanced bigint;
BEGIN
    UPDATE {schema}.schedule s
    SET look_at = step.look_at, standing = step.standing, revision = nextval('{schema}.schedule_revision')
    FROM unnest(tenants, names, revisions, looks, standings) AS step (tenant, name, revision, look_at, standing)
    WHERE s.tenant = step.tenant AND s.name = step.name AND s.revision = step.revision;
    GET DIAGNOSTICS advanced = ROW_COUNT;
    IF advanced <> cardinality(tenants) THEN
        RAISE EXCEPTION 'a schedule has changed meanwhile' USING ERRCODE = 'PR003';
    END IF;
END $$;
