-- Every person who is or was in the directory.
select person_id, name, email, department_code, manager_person_id, valid_from, valid_to
from people
order by person_id, valid_from
