-- A delivery that is being loaded.
insert into snapshots (
    source_id, billing_period, digest, manifest, delivered_at, loaded_at, loaded_by, directory_version, lines_read,
    lines_kept, first_day, last_day, is_current, files
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true, $13)
returning snapshot_id
