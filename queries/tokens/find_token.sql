-- Who holds a token.  Its last use is noted at most once a minute, so that reading stays reading.
-- $1 hash of the secret, $2 now
-- Index: unique on hash.
with noted as (
    update api_tokens
    set last_used_at = $2
    where hash = $1 and revoked_at is null and (last_used_at is null or last_used_at < $2::timestamptz - interval '1 minute')
)

select name, role
from api_tokens
where hash = $1 and revoked_at is null
