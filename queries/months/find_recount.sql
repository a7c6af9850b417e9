-- Whether every delivery behind a month was counted a second time, and found equal.
-- $1 billing period
select
    count(*) filter (where r.snapshot_id is null) as "missing!",
    count(*) filter (where r.differences > 0) as "unequal!"
from snapshots as n
left join recounts as r using (snapshot_id)
where n.billing_period = $1 and n.is_current
