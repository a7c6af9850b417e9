-- The delivery of a month that is loaded from a source now.
-- $1 source, $2 billing period
-- Index: snapshots_current.
select snapshot_id, digest, directory_version
from snapshots
where source_id = $1 and billing_period = $2 and is_current
