-- Every project that is or was valid.
select code, name, owner_person_id, department_code, valid_from, valid_to
from projects
order by code, valid_from
