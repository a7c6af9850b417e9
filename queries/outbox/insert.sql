-- $1 message, $2 way, $3 destination, $4 content, $5 thread, $6 at, $7 not before
insert into outbox (message_id, way, destination, content, thread_of, state, created_at, not_before)
values ($1, $2, $3, $4, $5, 'waiting', $6, $7)
