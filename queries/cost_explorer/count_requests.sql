-- Requests of a UTC day; each costs money.
-- $1 day
-- Index: cost_explorer_requests_time.
select count(*) as "count!"
from cost_explorer_requests
where requested_at >= $1::date::timestamp at time zone 'UTC' and requested_at < ($1::date + 1)::timestamp at time zone 'UTC'
