-- A word by which states of one service can be listed. An update that leaves it as it is still touches no index.
ALTER TABLE {schema}.actor_state ADD COLUMN label text;
CREATE INDEX actor_state_label ON {schema}.actor_state (queue, label, key) WHERE label IS NOT NULL;
