-- Names of projects as they were last called before a day.
-- $1 day (exclusive)
select distinct on (code) code, name
from projects
where valid_from < $1
order by code, valid_from desc
