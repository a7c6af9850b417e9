-- The latest question about each principal.
-- Index: principal_questions_arn.
select distinct on (arn) arn, person_id, asked_by, asked_at, remind_on
from principal_questions
order by arn, question_id desc
