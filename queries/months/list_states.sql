-- States of the months that are not open.
select billing_period, state, statement_id, changed_by, changed_at
from month_states
where state <> 'open'
order by billing_period
