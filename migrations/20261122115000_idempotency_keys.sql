-- What was answered to a request that acts, so that the same key gets the same answer.

create table idempotency_keys (
    actor text not null,
    idempotency_key text not null,
    -- Of method, path and body.
    request_digest text not null,
    status integer not null,
    body text not null,
    answered_at timestamptz not null,
    primary key (actor, idempotency_key)
);
