-- Whether an alert was put out by a way already.
-- $1 alert, $2 way, $3 destination
select exists (select from outbox_alerts where alert_id = $1 and way = $2 and destination = $3) as "is_told!"
