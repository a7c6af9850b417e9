-- Loaded months with their sources, the newest first, and when each delivery was last recounted.
-- Index: snapshots_current.
select n.snapshot_id, s.name as source, s.location, n.billing_period, n.digest, r.recounted_at as "recounted_at?"
from snapshots as n
inner join sources as s using (source_id)
left join recounts as r using (snapshot_id)
where n.is_current
order by n.billing_period desc, s.name
