-- What actors keep between events. A row is written with the completion of each event that changes it, so room is left
-- in its page: such an update touches no index, and the next one to come along clears up after it.
CREATE TABLE {schema}.actor_state (
    queue int NOT NULL,
    key text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    saved_at double precision NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (queue, key)
) WITH (fillfactor = 70);

CREATE VIEW {schema}.state AS
SELECT q.service,
       q.tenant,
       s.key,
       s.version,
       {schema}.readable(s.payload) AS state,
       to_timestamp(s.saved_at) AS saved_at
FROM {schema}.actor_state s
JOIN {schema}.queue q ON q.id = s.queue;
