-- Attributed use of a month per bill, department and what budgets can be of.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines, $3 scopes that are asked
-- Index: person_model_months_period, person_months_period, department_months_period.
select
    payer as "payer!",
    seller as "seller!",
    invoice,
    currency as "currency!",
    department as "department!",
    scope as "scope!",
    code as "code!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from (
    select
        payer, seller, invoice, currency, department, 'project' as scope, coalesce(project, '') as code, tokens,
        case when payer = any($2) then net_cost else cost end as cost
    from person_model_months
    where billing_period = $1 and state = 'attributed' and 'project' = any($3)
    union all
    select
        payer, seller, invoice, currency, department, 'family', coalesce(family, ''), tokens,
        case when payer = any($2) then net_cost else cost end
    from person_model_months
    where billing_period = $1 and state = 'attributed' and 'family' = any($3)
    union all
    select
        payer, seller, invoice, currency, department, 'person', coalesce(person, ''), tokens,
        case when payer = any($2) then net_cost else cost end
    from person_months
    where billing_period = $1 and 'person' = any($3)
    union all
    select
        payer, seller, invoice, currency, department, 'account', coalesce(account, ''), tokens,
        case when payer = any($2) then net_cost else cost end
    from department_months
    where billing_period = $1 and state = 'attributed' and charge_class = 'usage' and 'account' = any($3)
) as used
group by payer, seller, invoice, currency, department, scope, code
