-- A delivery that is not loaded.  One that is only waited for keeps the time at which the waiting began.
-- $1 source, $2 billing period, $3 when, $4 why, $5 whether it is only waited for, $6 digest of what was refused for good
insert into refusals (source_id, billing_period, refused_at, message, is_waiting, digest)
values ($1, $2, $3, $4, $5, $6)
on conflict (source_id, billing_period) do update
set
    refused_at = case when refusals.is_waiting and excluded.is_waiting then refusals.refused_at else excluded.refused_at end,
    message = excluded.message,
    is_waiting = excluded.is_waiting,
    digest = excluded.digest
