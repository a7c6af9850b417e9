-- One row a loaded month and source, the newest month first.
-- Index: snapshots_current.
select
    s.name as source,
    s.location,
    n.snapshot_id,
    n.billing_period,
    n.delivered_at,
    n.loaded_at,
    n.loaded_by,
    n.directory_version,
    (select max(v.directory_version) from directory_versions as v) as newest_directory_version,
    n.lines_read,
    n.lines_kept,
    n.first_day,
    n.last_day
from snapshots as n
inner join sources as s using (source_id)
where n.is_current
order by n.billing_period desc, s.name
