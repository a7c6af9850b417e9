-- Days that were asked, also those without any total.
-- $1 payer, $2 kind, $3 days, $4 whether each is an estimate, $5 now
insert into cost_explorer_days (payer, kind, usage_date, is_estimated, fetched_at)
select $1, $2, d.usage_date, d.is_estimated, $5
from unnest($3::date[], $4::boolean[]) as d (usage_date, is_estimated)
