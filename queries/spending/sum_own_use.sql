-- Attributed use of a month per bill, department and what budgets can be of.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines, $3 scopes that are asked
-- Index: person_model_months_period, person_months_period, department_months_period.  Each part is summed by itself: summed together they
-- cannot be read in parallel.
select
    payer as "payer!",
    seller as "seller!",
    invoice,
    currency as "currency!",
    department as "department!",
    'project' as "scope!",
    coalesce(project, '') as "code!",
    sum(tokens)::bigint as "tokens!",
    sum(case when payer = any($2) then net_cost else cost end) as "cost!"
from person_months
where billing_period = $1 and 'project' = any($3)
group by payer, seller, invoice, currency, department, coalesce(project, '')
union all
select
    payer, seller, invoice, currency, department, 'person', coalesce(person, ''), sum(tokens)::bigint,
    sum(case when payer = any($2) then net_cost else cost end)
from person_months
where billing_period = $1 and 'person' = any($3)
group by payer, seller, invoice, currency, department, coalesce(person, '')
union all
select
    payer, seller, invoice, currency, department, 'family', coalesce(family, ''), sum(tokens)::bigint,
    sum(case when payer = any($2) then net_cost else cost end)
from person_model_months
where billing_period = $1 and state = 'attributed' and 'family' = any($3)
group by payer, seller, invoice, currency, department, coalesce(family, '')
union all
select
    payer, seller, invoice, currency, department, 'account', coalesce(account, ''), sum(tokens)::bigint,
    sum(case when payer = any($2) then net_cost else cost end)
from department_months
where billing_period = $1 and state = 'attributed' and charge_class = 'usage' and 'account' = any($3)
group by payer, seller, invoice, currency, department, coalesce(account, '')
