-- Keeps a subject silent until a time; what waits to be sent waits with it.
-- $1 subject, $2 until, $3 by, $4 at
insert into alert_snoozes (subject, snoozed_until, snoozed_by, snoozed_at)
values ($1, $2, $3, $4)
on conflict (subject) do update set
    snoozed_until = excluded.snoozed_until, snoozed_by = excluded.snoozed_by, snoozed_at = excluded.snoozed_at
