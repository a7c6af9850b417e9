-- The budgets that hold, in their order.
select
    name, scope, code, frequency, currency, amount, rate, basis, with_allocated, with_tax, owner_person_id, channel, thresholds, valid_from, valid_to
from budgets
where budget_version = (select max(budget_version) from budget_versions)
order by position
