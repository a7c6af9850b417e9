-- Writes a step down.
-- $1 billing period, $2 from state, $3 to state, $4 statement, $5 reason, $6 by, $7 at
insert into month_events (billing_period, from_state, to_state, statement_id, reason, done_by, done_at)
values ($1, $2, $3, $4, $5, $6, $7)
