-- Every raise that was asked for, the newest first.
select raise_id, budget, amount, currency, valid_from, valid_to, reason, ringi, requested_by, decided_by, is_approved
from budget_raises
order by raise_id desc
limit 500
