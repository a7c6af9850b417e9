-- How many tokens open the server.
select count(*) as "tokens!"
from api_tokens
where revoked_at is null
