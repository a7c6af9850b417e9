-- What an earlier recount of a delivery found.
-- $1 snapshot
-- Index: findings_snapshot.
delete from findings where snapshot_id = $1 and code = 'recount_differs'
