-- Asks for more money for a while.
-- $1 budget, $2 amount, $3 from, $4 to, $5 reason, $6 ringi, $7 by, $8 at, $9 currency
insert into budget_raises (budget, amount, valid_from, valid_to, reason, ringi, requested_by, requested_at, currency)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning raise_id
