-- Keeps a delivery's sums per department and day beyond the delivery that will replace it.
-- $1 snapshot, $2 billing period, $3 source
-- Index: department_days_period.
insert into snapshot_department_days (snapshot_id, usage_date, charge_type, currency, department, reason, lines, cost)
select $1, usage_date, charge_type, currency, department, reason, sum(lines), sum(cost)
from department_days
where billing_period = $2 and source_id = $3
group by usage_date, charge_type, currency, department, reason
