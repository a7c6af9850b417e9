-- Usage of a month per model and token kind, attributed or not.
-- $1 billing period
-- Index: person_model_months_period.
select
    currency,
    model,
    line_kind,
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!",
    coalesce(sum(tokens) filter (where token_kind = 'input'), 0)::bigint as "input_tokens!",
    coalesce(sum(tokens) filter (where token_kind = 'output'), 0)::bigint as "output_tokens!",
    coalesce(sum(tokens) filter (where token_kind = 'cache_read'), 0)::bigint as "cache_read_tokens!",
    coalesce(sum(tokens) filter (where token_kind = 'cache_write'), 0)::bigint as "cache_write_tokens!"
from person_model_months
where billing_period = $1
group by currency, model, line_kind
order by sum(cost) desc, model
