-- A delivery's sums per department and day as they are now decided.
-- $1 snapshot, $2 billing period, $3 source
with gone as (
    delete from snapshot_department_days where snapshot_id = $1
)

insert into snapshot_department_days (snapshot_id, usage_date, charge_type, currency, department, reason, lines, cost)
select $1, usage_date, charge_type, currency, department, reason, sum(lines), sum(cost)
from department_days
where billing_period = $2 and source_id = $3
group by usage_date, charge_type, currency, department, reason
