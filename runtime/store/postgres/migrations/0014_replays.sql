-- Requests to run stored events again. The ids of the new events follow from the request and the old event, so that a
-- request that was cut off in the middle is taken up again without running any of them twice.
CREATE TABLE {schema}.replay_request (
    id uuid PRIMARY KEY,
    actor text NOT NULL,
    at double precision NOT NULL,
    filter bytea NOT NULL,
    target text,
    matched bigint NOT NULL,
    replayed bigint NOT NULL DEFAULT 0,
    position uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    finished_at double precision
);
CREATE INDEX replay_request_unfinished ON {schema}.replay_request (id) WHERE finished_at IS NULL;
