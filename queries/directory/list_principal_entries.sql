-- Every entry for principals that is or was valid.
select account_id, role_name, session_name, user_name, person_id, department_code, project_code, kind, valid_from, valid_to
from principal_entries
order by account_id, role_name, session_name, user_name, valid_from
