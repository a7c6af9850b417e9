-- $1 Slack user, $2 person
insert into slack_people (slack_user, person_id) values ($1, $2)
on conflict (slack_user) do update set person_id = excluded.person_id
