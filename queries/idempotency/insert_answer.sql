-- Keeps an answer; a day later the key may be used anew.
-- $1 actor, $2 key, $3 digest of the request, $4 status, $5 body, $6 at
with forgotten as (
    delete from idempotency_keys where answered_at < $6::timestamptz - interval '24 hours'
)

insert into idempotency_keys (actor, idempotency_key, request_digest, status, body, answered_at)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
