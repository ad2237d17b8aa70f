-- Entries of the log that failed, keep their place, and are tried again from a time on. Later ones of their keys wait.
CREATE TABLE {schema}.hold (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    due_at double precision NOT NULL CHECK (due_at < 'infinity'),
    queue int NOT NULL,
    attempt smallint NOT NULL CHECK (attempt > 1),
    error text NOT NULL
);
