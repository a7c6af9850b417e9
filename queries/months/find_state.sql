-- The state of a month; nothing of one that no step was taken in.
-- $1 billing period
select state, statement_id
from month_states
where billing_period = $1
