-- Keeps forecasts of a day; those that were made already stay.
-- $1 scopes, $2 codes, $3 billing period, $4 day, $5 at, $6 data as of, $7 methods, $8 expected, $9 low, $10 high
insert into kept_forecasts (
    scope, code, billing_period, day_of_month, made_at, data_as_of, method, expected, low, high
)
select each.scope, each.code, $3, $4, $5, $6, each.method, each.expected, each.low, each.high
from unnest($1::text[], $2::text[], $7::text[], $8::numeric[], $9::numeric[], $10::numeric[])
    as each (scope, code, method, expected, low, high)
on conflict do nothing
