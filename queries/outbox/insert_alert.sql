-- Says which alert a message tells: each once by each way.
-- $1 alert, $2 way, $3 destination, $4 message
insert into outbox_alerts (alert_id, way, destination, message_id)
values ($1, $2, $3, $4)
