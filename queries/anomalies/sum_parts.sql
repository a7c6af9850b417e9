-- What some days are made of, by model and route.
-- $1 billing periods, $2 days, $3 scope, $4 code
select
    coalesce(m.model, 'other') as "model!",
    coalesce(m.route, 'none') as "route!",
    c.usage_date,
    sum(c.tokens)::bigint as "tokens!",
    sum(c.cost) as "cost!"
from charges as c
inner join meters as m using (meter_key)
inner join bill_sections as b using (section_key)
inner join attributions as o using (attribution_key)
where
    c.billing_period = any($1) and c.usage_date = any($2) and b.charge_class = 'usage' and b.currency = 'USD'
    and case $3
        when 'department' then o.department = $4
        when 'project' then o.project = $4
        when 'person' then o.person = $4
        else m.model = $4
    end
group by m.model, m.route, c.usage_date
