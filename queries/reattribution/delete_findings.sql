-- Findings that a new decision replaces.
-- $1 snapshot, $2 codes
delete from findings
where snapshot_id = $1 and code = any($2)
