-- $1 raise
select raise_id, budget, amount, currency, valid_from, valid_to, reason, ringi, requested_by, decided_by, is_approved
from budget_raises
where raise_id = $1
for update
