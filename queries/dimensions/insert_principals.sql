-- Adds the principals that are not known yet.
-- $1 ARNs, then their parts, one array each
insert into principals (arn, account, kind, role_name, session_name, user_name)
select t.arn, t.account, t.kind, t.role_name, t.session_name, t.user_name
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    as t (arn, account, kind, role_name, session_name, user_name)
on conflict do nothing
