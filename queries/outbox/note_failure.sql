-- $1 message, $2 lease, $3 whether it is given up, $4 not before, $5 whether it may have been taken, $6 code, $7 what, $8 whether this attempt is not known
update outbox
set
    state = case when $3 then 'dead' else 'waiting' end, lease = null, leased_until = null, not_before = $4, is_unknown = $5,
    repeats = repeats + (is_unknown and $8)::integer,
    error_code = $6, error = $7
where message_id = $1 and lease = $2
