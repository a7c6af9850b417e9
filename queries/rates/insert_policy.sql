-- Says which rate months from one on use.
-- $1 first month, $2 kind, $3 date rule, $4 by, $5 at
insert into rate_policies (valid_from, kind, date_rule, set_by, set_at)
values ($1, $2, $3, $4, $5)
