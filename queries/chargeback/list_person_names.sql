-- Names of people as they were last called before a day.
-- $1 day (exclusive)
select distinct on (person_id) person_id, name
from people
where valid_from < $1
order by person_id, valid_from desc
