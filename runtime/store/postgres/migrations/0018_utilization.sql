-- How busy each member is, so that work which could begin anywhere begins where it is cheapest.
ALTER TABLE {schema}.heartbeat ADD COLUMN utilization double precision NOT NULL DEFAULT 0;
