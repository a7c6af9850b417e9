-- What was answered to a key in the last day.
-- $1 actor, $2 key, $3 now
select request_digest, status, body
from idempotency_keys
where actor = $1 and idempotency_key = $2 and answered_at > $3::timestamptz - interval '24 hours'
