-- What a delivery changed against the one before: one row a day and department (or reason, or charge type) whose cost or
-- lines differ, the largest change first.
-- $1 new snapshot, $2 old snapshot
-- Index: snapshot_department_days_snapshot.
select
    usage_date,
    charge_type,
    currency,
    department,
    reason,
    sum(case snapshot_id when $1 then cost else -cost end) as "cost!",
    sum(case snapshot_id when $1 then lines else -lines end)::bigint as "lines!"
from snapshot_department_days
where snapshot_id in ($1, $2)
group by usage_date, charge_type, currency, department, reason
having
    sum(case snapshot_id when $1 then cost else -cost end) <> 0
    or sum(case snapshot_id when $1 then lines else -lines end) <> 0
order by
    abs(sum(case snapshot_id when $1 then cost else -cost end)) desc,
    usage_date,
    charge_type,
    currency,
    department,
    reason
