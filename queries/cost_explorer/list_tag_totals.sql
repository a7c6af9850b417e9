-- Usage per day and value of a tag; the empty value is what has none.
-- $1 payer, $2 kind
-- Index: cost_explorer_totals_day.
select usage_date, label, sum(cost) as "cost!"
from cost_explorer_totals
where payer = $1 and kind = $2 and service is null
group by usage_date, label
