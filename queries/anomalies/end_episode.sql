-- An episode is over.
-- $1 subject, $2 first day, $3 at
update alerts set ended_at = $3
where kind = 'anomaly' and subject = $1 and window_from = $2 and ended_at is null
