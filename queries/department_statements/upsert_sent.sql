-- $1 statement, $2 department, $3 person, $4 who, $5 when
insert into department_statements (statement_id, department, person_id, sent_by, sent_at)
values ($1, $2, $3, $4, $5)
on conflict (statement_id, department) do update set person_id = $3, sent_by = $4, sent_at = $5
