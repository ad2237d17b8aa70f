-- What each member holds and wants of the limits that hold for all of them (runtime.core.portions). `claims` is a JSON
-- list of [limit, claim]. Every statement raises the version, and counts only for who has seen the one before.
CREATE TABLE {schema}.portion (
    incarnation uuid PRIMARY KEY REFERENCES {schema}.member ON DELETE CASCADE,
    shards smallint NOT NULL CHECK (shards >= 0),
    claims text NOT NULL
);

CREATE TABLE {schema}.portion_version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO {schema}.portion_version (version) VALUES (0);
