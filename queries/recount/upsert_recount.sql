-- A delivery was recounted.
-- $1 snapshot, $2 now, $3 differences
insert into recounts (snapshot_id, recounted_at, differences)
values ($1, $2, $3)
on conflict (snapshot_id) do update set recounted_at = $2, differences = $3
