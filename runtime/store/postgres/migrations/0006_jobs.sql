-- What handlers returned, where the service keeps it. Ids are UUIDv7, so old ones are deleted by a range of ids.
CREATE TABLE {schema}.result (
    id uuid PRIMARY KEY,
    value bytea NOT NULL
);

-- 4: aborted by a person or a program.
ALTER TABLE {schema}.outcome DROP CONSTRAINT outcome_kind_check;
ALTER TABLE {schema}.outcome ADD CONSTRAINT outcome_kind_check CHECK (kind BETWEEN 1 AND 4);

CREATE OR REPLACE VIEW {schema}.event AS
SELECT e.id,
       q.service,
       q.tenant,
       e.key,
       e.type,
       {schema}.readable(e.payload) AS payload,
       to_timestamp(e.accepted_at) AS accepted_at,
       e.attempt,
       CASE o.kind WHEN 1 THEN 'done' WHEN 2 THEN 'retry' WHEN 3 THEN 'dead' WHEN 4 THEN 'aborted' END AS outcome,
       to_timestamp(o.started_at) AS started_at,
       to_timestamp(o.finished_at) AS finished_at,
       o.error,
       e.enqueued_by,
       e.cause,
       e.origin,
       e.seq,
       coalesce(e.depth, 0) AS depth
FROM {schema}.event_log e
JOIN {schema}.queue q ON q.id = e.queue
LEFT JOIN {schema}.outcome o ON o.seq = e.seq;
