-- Signatures are refused by their age long before this.
-- $1 before
delete from slack_actions where done_at < $1
