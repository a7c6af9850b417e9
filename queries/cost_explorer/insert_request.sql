-- Counts a request before it is sent, unless the day's are used up.
-- $1 now, $2 operation, $3 what is asked, $4 requests a UTC day
-- Index: cost_explorer_requests_time.
insert into cost_explorer_requests (requested_at, operation, asked)
select $1, $2, $3
where (
    select count(*)
    from cost_explorer_requests as r
    where
        r.requested_at >= date_trunc('day', $1::timestamptz, 'UTC')
        and r.requested_at < date_trunc('day', $1::timestamptz, 'UTC') + interval '1 day'
) < $4
returning request_id
