-- Jobs that somebody wants to end. The owner of the shard carries it out, and forgets the order in the same commit: so an
-- order outlives a crash, and reaches a job that another process handles.
CREATE TABLE {schema}.abort_order (
    id uuid PRIMARY KEY,
    actor text NOT NULL,
    at double precision NOT NULL,
    reason text
);
