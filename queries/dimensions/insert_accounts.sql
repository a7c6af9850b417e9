-- Adds the accounts that are not known yet.
-- $1 account ids
insert into accounts (account)
select t.account
from unnest($1::text[]) as t (account)
on conflict do nothing
