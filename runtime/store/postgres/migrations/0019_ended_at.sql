-- The index of states that have ended was on `saved_at`, which each save changes: so each save touched all three indexes.
-- A column that only the last save sets leaves the others to the page of the row, which is given more room for them.
ALTER TABLE {schema}.actor_state ADD COLUMN ended_at double precision;
UPDATE {schema}.actor_state SET ended_at = saved_at WHERE ended;
ALTER TABLE {schema}.actor_state DROP COLUMN ended;
CREATE INDEX actor_state_ended ON {schema}.actor_state (ended_at) WHERE ended_at IS NOT NULL;
ALTER TABLE {schema}.actor_state SET (fillfactor = 50);
