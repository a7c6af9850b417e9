-- Raises that were approved.
select raise_id, budget, amount, currency, valid_from, valid_to, reason, ringi, decided_by as "approved_by!"
from budget_raises
where is_approved
order by raise_id
