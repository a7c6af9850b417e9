-- A new token by the hash of its secret.  $1 name, $2 role, $3 hash, $4 when, $5 by whom
insert into api_tokens (name, role, hash, created_at, created_by)
values ($1, $2, $3, $4, $5)
on conflict (name) do nothing
