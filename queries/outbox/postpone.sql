-- What waits about a subject waits until it speaks again.
-- $1 subject, $2 until
update outbox as m set not_before = greatest(m.not_before, $2)
from outbox_alerts as told
inner join alerts as a using (alert_id)
where told.message_id = m.message_id and a.subject = $1 and m.state = 'waiting'
    -- A digest tells of others too.
    and (select count(*) from outbox_alerts as all_of where all_of.message_id = m.message_id) = 1
