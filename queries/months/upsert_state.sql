-- Puts a month into a state.
-- $1 billing period, $2 state, $3 statement, $4 by, $5 at
insert into month_states (billing_period, state, statement_id, changed_by, changed_at)
values ($1, $2, $3, $4, $5)
on conflict (billing_period) do update
set state = excluded.state, statement_id = excluded.statement_id, changed_by = excluded.changed_by, changed_at = excluded.changed_at
