-- The first message about a window at a destination: later ones stand under it.
-- $1 subject, $2 window, $3 way, $4 destination
select m.message_id
from outbox_alerts as told
inner join alerts as a using (alert_id)
inner join outbox as m using (message_id)
where a.subject = $1 and a.window_from = $2 and told.way = $3 and told.destination = $4 and m.state <> 'dead'
order by m.created_at, a.alert_id
limit 1
