-- name: tables
-- What the flights app keeps for itself: every arrival, a running figure for each aircraft, and its replays.
CREATE SCHEMA IF NOT EXISTS flights;
CREATE TABLE IF NOT EXISTS flights.arrival (
    event_id uuid PRIMARY KEY,
    carrier text NOT NULL,
    flight int NOT NULL,
    tailnum text,
    origin text NOT NULL,
    dest text NOT NULL,
    scheduled_hour timestamptz NOT NULL,
    distance int NOT NULL,
    dep_delay int,
    arr_delay int NOT NULL
);
CREATE TABLE IF NOT EXISTS flights.aircraft (
    tenant text NOT NULL,
    key text NOT NULL,
    arrivals bigint NOT NULL CHECK (arrivals > 0),
    total_delay bigint NOT NULL,
    last_flight int NOT NULL,
    last_dest text NOT NULL,
    PRIMARY KEY (tenant, key)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS flights.replay (
    id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    input_sha256 text NOT NULL,
    events int NOT NULL CHECK (events > 0),
    first_seq bigint NOT NULL
);

-- name: record_arrival
-- One round trip: the arrival, and the figure of the aircraft that made it.
WITH arrived AS (
    INSERT INTO flights.arrival
        (event_id, carrier, flight, tailnum, origin, dest, scheduled_hour, distance, dep_delay, arr_delay)
    VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11)
    RETURNING carrier, flight, dest, arr_delay
)
INSERT INTO flights.aircraft AS known (tenant, key, arrivals, total_delay, last_flight, last_dest)
SELECT carrier, $3, 1, arr_delay, flight, dest FROM arrived
ON CONFLICT (tenant, key) DO UPDATE SET
    arrivals = known.arrivals + 1,
    total_delay = known.total_delay + excluded.total_delay,
    last_flight = excluded.last_flight,
    last_dest = excluded.last_dest;

-- name: unfinished_replay
-- The replay that a crash or a signal cut off, if there is one.
SELECT id, input_sha256, events, first_seq FROM flights.replay WHERE finished_at IS NULL ORDER BY id DESC LIMIT 1;

-- name: clear
-- A fresh replay starts from nothing; dead letters and history stay with the runtime.
TRUNCATE flights.arrival, flights.aircraft;

-- name: begin_replay
-- Recorded before the first event, so that the next run knows which ids to use.
INSERT INTO flights.replay (id, input_sha256, events, first_seq) VALUES ($1, $2, $3, $4);

-- name: finish_replay
-- Only after every event has its outcome on disk.
UPDATE flights.replay SET finished_at = now() WHERE id = $1;

-- name: airlines
-- What became of a replay's events, by airline; waits are from acceptance to the start of the first attempt.
SELECT tenant AS carrier,
       count(*) FILTER (WHERE attempt = 1) AS events,
       count(*) FILTER (WHERE outcome = 'done') AS done,
       count(*) FILTER (WHERE outcome = 'dead') AS dead_letters,
       max(mean_delay) AS mean_delay_minutes,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY wait) FILTER (WHERE attempt = 1) * 1000 AS wait_p50_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY wait) FILTER (WHERE attempt = 1) * 1000 AS wait_p99_ms
FROM (
    SELECT tenant, attempt, outcome, extract(epoch FROM started_at - accepted_at)::float8 AS wait
    FROM {schema}.event
    WHERE service = 'arrivals' AND id BETWEEN $1 AND $2
) AS attempts
LEFT JOIN (
    SELECT carrier, avg(arr_delay)::float8 AS mean_delay
    FROM flights.arrival
    WHERE event_id BETWEEN $1 AND $2
    GROUP BY carrier
) AS delays ON delays.carrier = tenant
GROUP BY tenant
ORDER BY tenant;

-- name: waits
-- When the events of some airlines were accepted, and when the first attempt at each began.
SELECT tenant AS carrier,
       extract(epoch FROM accepted_at)::float8 AS accepted,
       extract(epoch FROM started_at)::float8 AS started
FROM {schema}.event
WHERE service = 'arrivals' AND id BETWEEN $1 AND $2 AND attempt = 1 AND tenant = ANY($3::text[])
ORDER BY accepted;
