-- Not all that people do concerns an event: `target` names what else it was, such as a service or a tenant.
ALTER TABLE {schema}.audit ALTER COLUMN subject DROP NOT NULL;
ALTER TABLE {schema}.audit ADD COLUMN target text;
CREATE INDEX audit_actor ON {schema}.audit (actor, id);
CREATE INDEX audit_target ON {schema}.audit (target, id);
