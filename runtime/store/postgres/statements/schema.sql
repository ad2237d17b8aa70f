-- name: schema_exists
-- Asked first, because CREATE SCHEMA IF NOT EXISTS needs the right to create one even when it exists.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1);

-- name: create_schema
-- The home of all tables.
CREATE SCHEMA {schema};

-- name: migration_table_exists
-- Asked first for the same reason.
SELECT to_regclass('{schema}.migration') IS NOT NULL;

-- name: create_migration_table
-- What has been applied.
CREATE TABLE {schema}.migration (
    version int PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: lock_migrations
-- One migrator at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('{schema}'), 0);

-- name: migrated_version
-- The newest migration applied.
SELECT coalesce(max(version), 0) FROM {schema}.migration;

-- name: record_migration
-- Notes that a migration was applied.
INSERT INTO {schema}.migration (version, name) VALUES ($1, $2);
