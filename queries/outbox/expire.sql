-- Takes back what was leased by a program that ended: whether it was sent is not known.
-- $1 now
update outbox
set state = 'waiting', lease = null, leased_until = null, is_unknown = true,
    repeats = repeats + is_unknown::integer
where state = 'sending' and leased_until <= $1
