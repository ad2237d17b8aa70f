-- What people set for tenants and services, version by version; '' stands for all. The newest one of a scope holds.
CREATE TABLE {schema}.policy (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    tenant text NOT NULL,
    settings jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
    at double precision NOT NULL,
    actor text NOT NULL,
    reason text
);
CREATE INDEX policy_scope ON {schema}.policy (service, tenant, version);
CREATE TRIGGER policy_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.policy
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

-- Events that tenants with a daily quota brought, by the hour since the epoch. Each process adds what it let in, and takes
-- off what could not be stored after all: an hour can be below 0 for that.
CREATE TABLE {schema}.quota_hour (
    tenant text NOT NULL,
    hour int NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (tenant, hour)
);
CREATE INDEX quota_hour_hour ON {schema}.quota_hour (hour);
