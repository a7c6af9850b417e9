-- Says which directory decided about a delivery.
-- $1 snapshot, $2 directory version
update snapshots
set directory_version = $2
where snapshot_id = $1
