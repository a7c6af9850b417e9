-- Budgets that were ever looked at.
select distinct budget from budget_evaluations
