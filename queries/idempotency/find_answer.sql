-- What was answered to a key.
-- $1 actor, $2 key
select request_digest, status, body
from idempotency_keys
where actor = $1 and idempotency_key = $2
