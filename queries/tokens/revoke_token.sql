-- $1 name, $2 when
update api_tokens
set revoked_at = $2
where name = $1 and revoked_at is null
