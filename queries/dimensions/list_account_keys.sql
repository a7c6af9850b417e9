-- $1 account ids
select account, account_key
from accounts
where account = any($1::text[])
