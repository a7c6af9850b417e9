-- $1 billing period, $2 name, $3 payer, $4 yen, $5 reason, $6 who, $7 when
insert into manual_pools (billing_period, name, payer, jpy, reason, recorded_by, recorded_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (billing_period, name) do nothing
returning manual_pool_id
