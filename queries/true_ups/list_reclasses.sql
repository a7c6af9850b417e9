-- Approved disputes of locked months before a month.
-- $1 billing period (exclusive)
select reclass_id, origin_period, from_department, to_department, jpy, reason, approved_by
from reclasses
where origin_period < $1
order by reclass_id
