-- $1 person
select slack_user from slack_people where person_id = $1 order by slack_user limit 1
