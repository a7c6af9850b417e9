-- A press of a button, by its signature: each is taken once.
-- $1 signature, $2 Slack user, $3 person or empty, $4 action, $5 at
insert into slack_actions (action_id, slack_user, person_id, action, done_at)
values ($1, $2, $3, $4, $5)
on conflict do nothing
