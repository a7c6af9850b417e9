-- $1 ARNs
select arn, principal_key
from principals
where arn = any($1::text[])
