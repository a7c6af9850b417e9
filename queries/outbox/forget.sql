-- What was sent long ago keeps its row and loses its words: they can name people.
-- $1 before
update outbox set content = 'null'
where state in ('sent', 'dead') and created_at < $1 and content <> 'null'
