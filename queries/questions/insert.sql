-- $1 ARN, $2 person asked, $3 who asked, $4 when, $5 when to ask again
insert into principal_questions (arn, person_id, asked_by, asked_at, remind_on)
values ($1, $2, $3, $4, $5)
