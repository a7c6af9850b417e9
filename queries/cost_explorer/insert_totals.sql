-- Totals of days.
-- $1 payer, $2 kind, then one array a column
insert into cost_explorer_totals (payer, kind, usage_date, service, label, currency, cost)
select $1, $2, t.usage_date, t.service, t.label, t.currency, t.cost
from unnest($3::date[], $4::text[], $5::text[], $6::text[], $7::numeric[])
    as t (usage_date, service, label, currency, cost)
