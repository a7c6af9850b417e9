-- What disputes have moved away from a department of a locked month, less what they have moved to it.
-- $1 origin, $2 department
select
    coalesce(sum(case when from_department = $2 then jpy else 0 end) - sum(case when to_department = $2 then jpy else 0 end), 0) as "moved!"
from reclasses
where origin_period = $1 and $2 in (from_department, to_department)
