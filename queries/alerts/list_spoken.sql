-- The last time that each threshold spoke in a window.
-- $1 kinds, $2 subjects, $3 windows (a subject and its window at the same place)
select distinct on (a.kind, a.subject, a.window_from, a.threshold)
    a.alert_id, a.subject, a.window_from, a.threshold, a.arming, a.raised_at, a.rearmed_because, (a.facts ->> 'level') as level
from alerts as a
inner join unnest($2::text[], $3::date[]) as asked (subject, window_from)
    on asked.subject = a.subject and asked.window_from = a.window_from
where a.kind = any($1)
order by a.kind, a.subject, a.window_from, a.threshold, a.arming desc
