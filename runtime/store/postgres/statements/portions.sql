-- name: portions
-- What every member states of the limits, with the version and the time; at least one row.
SELECT v.version, extract(epoch FROM clock_timestamp())::float8 AS now, p.incarnation, p.shards, p.claims
FROM {schema}.portion_version v
LEFT JOIN {schema}.portion p ON true;

-- name: state_portion
-- Replaces what member $1 states by $2 and $3, if the version is still $4.
WITH turn AS (
    UPDATE {schema}.portion_version SET version = version + 1 WHERE version = $4 RETURNING version
)
INSERT INTO {schema}.portion (incarnation, shards, claims)
SELECT m.incarnation, $2, $3 FROM turn, {schema}.member m WHERE m.incarnation = $1
ON CONFLICT (incarnation) DO UPDATE SET shards = excluded.shards, claims = excluded.claims
RETURNING incarnation;
