-- Raises an alert; nothing where it is there already.
-- $1 kind, $2 subject, $3 window, $4 threshold, $5 arming, $6 at, $7 cause, $8 facts, $9 is personal
insert into alerts (kind, subject, window_from, threshold, arming, raised_at, cause, facts, is_personal)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing
returning alert_id
