-- $1 statement, $2 department, $3 answer, $4 yen, $5 reason, $6 who, $7 when
insert into department_answers (statement_id, department, answer, jpy, reason, answered_by, answered_at)
values ($1, $2, $3, $4, $5, $6, $7)
