-- One array a column.
insert into projects (code, name, owner_person_id, department_code, valid_from, valid_to)
select *
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[])
