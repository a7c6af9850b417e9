-- Lets an alert speak again.
-- $1 alert, $2 at, $3 why
update alerts set rearmed_at = $2, rearmed_because = $3
where alert_id = $1 and rearmed_at is null
