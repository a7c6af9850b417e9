-- $1 message, $2 lease, $3 at, $4 channel, $5 ts
update outbox
set
    state = 'sent', lease = null, leased_until = null, sent_at = $3, slack_channel = $4, slack_ts = $5, error_code = null,
    error = null
where message_id = $1 and lease = $2
