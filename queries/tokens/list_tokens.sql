-- Every token, revoked ones too, without anything secret.
select name, role, created_at, created_by, last_used_at, revoked_at
from api_tokens
order by name
