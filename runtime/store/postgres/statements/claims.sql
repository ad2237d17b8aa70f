-- name: claim_signatures
-- Claims signatures ($1 scopes, $2 signatures) for events ($3) until times ($4); $5 is the time at which those of others
-- may have expired. Answers who holds each. The row of one that is held is written as it is, so that the answer is what
-- will be committed.
INSERT INTO {schema}.signature AS s (scope, signature, id, expires_at)
SELECT c.scope, c.signature, c.id, c.expires_at
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::double precision[]) AS c (scope, signature, id, expires_at)
ON CONFLICT (scope, signature) DO UPDATE SET
    id = CASE WHEN s.expires_at <= $5 THEN excluded.id ELSE s.id END,
    expires_at = CASE WHEN s.expires_at <= $5 THEN excluded.expires_at ELSE s.expires_at END
RETURNING scope, signature, id;

-- name: signature_holders
-- Who holds the signatures named by scopes ($1) and signatures ($2), and until when.
SELECT s.scope, s.signature, s.id, s.expires_at
FROM unnest($1::text[], $2::text[]) AS c (scope, signature)
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.signature h WHERE h.scope = c.scope AND h.signature = c.signature OFFSET 0
) s;

-- name: delete_signatures
-- Deletes up to $2 signatures that expired before the time $1 (seconds since the epoch).
DELETE FROM {schema}.signature WHERE (scope, signature) IN (
    SELECT scope, signature FROM {schema}.signature WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
) RETURNING 1;
