-- How budgets stood when they were last looked at.
-- $1 windows
select budget, window_from, stood
from budget_evaluations
where window_from = any($1)
