-- Leases the next message of each destination that has none under way and took none within the last second.
-- $1 now, $2 lease, $3 until, $4 how many
with next as (
    select distinct on (m.way, m.destination) m.message_id
    from outbox as m
    where
        m.state = 'waiting' and m.not_before <= $1
        and not exists (
            select from outbox as other
            where
                other.way = m.way and other.destination = m.destination
                and (other.state = 'sending' or other.sent_at > $1 - interval '1 second')
        )
        and (
            m.thread_of is null
            or exists (select from outbox as root where root.message_id = m.thread_of and root.state in ('sent', 'dead'))
        )
    order by m.way, m.destination, m.position
),

chosen as (
    select message_id from next limit $4
)

update outbox as m
set state = 'sending', lease = $2, leased_until = $3, attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $1)
from chosen
where m.message_id = chosen.message_id
returning
    m.message_id, m.way, m.destination, m.content, m.attempts, m.is_unknown, m.repeats, m.first_attempt_at as "first_attempt_at!", coalesce(m.resent_at, m.first_attempt_at) as "tried_since!",
    (select root.slack_ts from outbox as root where root.message_id = m.thread_of) as thread_ts,
    (select root.slack_channel from outbox as root where root.message_id = m.thread_of) as thread_channel
