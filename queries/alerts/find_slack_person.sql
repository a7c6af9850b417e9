-- $1 Slack user
select person_id from slack_people where slack_user = $1
