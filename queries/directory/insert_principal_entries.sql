-- One array a column.
insert into principal_entries (
    account_id, role_name, session_name, user_name, person_id, department_code, project_code, kind, valid_from, valid_to
)
select *
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::date[], $10::date[])
