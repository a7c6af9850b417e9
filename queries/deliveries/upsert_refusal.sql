-- $1 source, $2 billing period, $3 when, $4 why
insert into refusals (source_id, billing_period, refused_at, message)
values ($1, $2, $3, $4)
on conflict (source_id, billing_period) do update set refused_at = excluded.refused_at, message = excluded.message
