-- What a replay was to run again and must not is told apart from what runs.
ALTER TABLE {schema}.replay_request ADD COLUMN refused bigint NOT NULL DEFAULT 0;
