-- What keeps silent at a moment.
-- $1 now
select subject, snoozed_until from alert_snoozes where snoozed_until > $1
