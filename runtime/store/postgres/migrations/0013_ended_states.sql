-- States that have come to their end are dropped when they have aged. Only these are in the index.
ALTER TABLE {schema}.actor_state ADD COLUMN ended boolean NOT NULL DEFAULT false;
CREATE INDEX actor_state_ended ON {schema}.actor_state (saved_at) WHERE ended;
