-- Policies that count: of each first month the one that was set last.
select distinct on (valid_from) valid_from, kind, date_rule, set_by
from rate_policies
order by valid_from, policy_id desc
