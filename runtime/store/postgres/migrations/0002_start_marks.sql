-- Whether the last owner stopped cleanly. Where it did not, the events that it may have been running are suspects.
ALTER TABLE {schema}.shard ADD COLUMN clean boolean NOT NULL DEFAULT true;

-- How often a suspect was started without coming to an end. Empty in normal running.
CREATE TABLE {schema}.start_mark (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    starts smallint NOT NULL CHECK (starts > 0)
);
