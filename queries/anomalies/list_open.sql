-- Episodes that were told lately, and whether they go on.
-- $1 since
select subject, window_from, ended_at is null as "is_open!"
from alerts
where kind = 'anomaly' and (ended_at is null or window_from >= $1)
