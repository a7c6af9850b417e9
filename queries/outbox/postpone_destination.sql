-- Whoever is asked to wait waits with everything for the place.
-- $1 way, $2 destination, $3 not before
update outbox set not_before = greatest(not_before, $3)
where way = $1 and destination = $2 and state = 'waiting'
