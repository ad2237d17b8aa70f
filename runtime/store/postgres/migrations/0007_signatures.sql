-- Signatures by which an event is known to be a duplicate of another, for as long as they live.
CREATE TABLE {schema}.signature (
    scope text NOT NULL,
    signature text NOT NULL,
    id uuid NOT NULL,
    expires_at double precision NOT NULL,
    PRIMARY KEY (scope, signature)
);
CREATE INDEX signature_expires_at ON {schema}.signature (expires_at);
