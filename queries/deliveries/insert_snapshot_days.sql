-- Coverage: the days that have any line, Bedrock or not.
-- $1 snapshot, $2 days, $3 lines of each
insert into snapshot_days (snapshot_id, usage_date, lines)
select $1, t.usage_date, t.lines
from unnest($2::date[], $3::bigint[]) as t (usage_date, lines)
