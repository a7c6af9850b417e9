-- How many tokens were ever made, ended ones too.
select count(*) as "tokens!"
from api_tokens
