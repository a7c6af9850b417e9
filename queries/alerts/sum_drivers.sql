-- A month's attributed use by model and route with the people behind it, the dearest first.
-- $1 billing period, $2 departments or null for all, $3 project, $4 person, $5 family, each null for all
-- Index: person_model_months_period.
select
    coalesce(model, 'other') as "model!",
    coalesce(route, 'none') as "route!",
    count(distinct person) as "people!",
    sum(cost) as "cost!"
from person_model_months
where
    billing_period = $1 and currency = 'USD' and state = 'attributed'
    and ($2::text[] is null or department = any($2))
    and ($3::text is null or project = $3)
    and ($4::text is null or person = $4)
    and ($5::text is null or family = $5)
group by model, route
order by sum(cost) desc, model, route
