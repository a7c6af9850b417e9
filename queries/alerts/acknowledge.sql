-- Says that somebody has seen to an alert; the first who does stays.
-- $1 alert, $2 by, $3 at
update alerts set acknowledged_by = $2, acknowledged_at = $3
where alert_id = $1 and acknowledged_at is null
