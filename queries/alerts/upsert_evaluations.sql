-- How budgets stand now.
-- $1 budgets, $2 windows, $3 at, $4 how
insert into budget_evaluations (budget, window_from, evaluated_at, stood)
select each.budget, each.window_from, $3, each.stood
from unnest($1::text[], $2::date[], $4::jsonb[]) as each (budget, window_from, stood)
on conflict (budget, window_from) do update set evaluated_at = excluded.evaluated_at, stood = excluded.stood
