-- Sends an alert's messages again that were given up; their words are still there.
-- $1 alert, $2 at
update outbox
set state = 'waiting', not_before = $2, attempts = 0, resent_at = $2, error = null, error_code = null
where
    state = 'dead' and content <> 'null'
    and message_id in (select message_id from outbox_alerts where alert_id = $1)
