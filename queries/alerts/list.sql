-- Alerts, the newest first, with what became of their messages.
-- $1 subject or null, $2 kind or null, $3 whether only those that nobody acknowledged, $4 whether those of people are among them,
-- $5 before this alert or null, $6 how many, $7 only this alert or null
-- Index: alerts_pkey.
select
    a.alert_id, a.kind, a.subject, a.window_from, a.threshold, a.arming, a.raised_at, a.cause, a.facts, a.is_personal,
    a.acknowledged_by, a.acknowledged_at, a.rearmed_because, a.ended_at,
    (
        select coalesce(jsonb_agg(jsonb_build_object(
            'way', m.way, 'destination', case when m.way = 'mail' then '' else m.destination end, 'state', m.state,
            'attempts', m.attempts, 'sent_at', m.sent_at, 'error', m.error
        ) order by m.way, m.destination), '[]'::jsonb)
        from outbox_alerts as told
        inner join outbox as m using (message_id)
        where told.alert_id = a.alert_id
    ) as "messages!"
from alerts as a
where
    ($1::text is null or a.subject = $1)
    and ($2::text is null or a.kind = $2)
    and (not $3 or a.acknowledged_at is null)
    and ($4 or not a.is_personal)
    and ($5::bigint is null or a.alert_id < $5)
    and ($7::bigint is null or a.alert_id = $7)
order by a.alert_id desc
limit $6
