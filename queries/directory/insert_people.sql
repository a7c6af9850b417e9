-- One array a column.
insert into people (person_id, name, email, department_code, manager_person_id, valid_from, valid_to)
select *
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::date[])
