-- Keeps an answer; a day later the key may be used anew.
-- $1 actor, $2 key, $3 digest of the request, $4 status, $5 body, $6 at
with forgotten as (
    delete from idempotency_keys
    where answered_at <= $6::timestamptz - interval '24 hours' and (actor, idempotency_key) <> ($1, $2)
)

insert into idempotency_keys (actor, idempotency_key, request_digest, status, body, answered_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (actor, idempotency_key) do update
set request_digest = excluded.request_digest, status = excluded.status, body = excluded.body, answered_at = excluded.answered_at
