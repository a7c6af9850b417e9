-- Attributed usage of a month per department, model and everything that makes a price.
-- $1 billing period
-- Index: person_model_months_period.
select
    department as "department!",
    currency,
    model,
    concat_ws(' ', token_kind, cache_ttl, route, tier, context) as "segment!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from person_model_months
where billing_period = $1 and state = 'attributed'
group by department, currency, model, concat_ws(' ', token_kind, cache_ttl, route, tier, context)
