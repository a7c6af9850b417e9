-- A wish for a run of a job.
-- $1 job, $2 now, $3 by whom
insert into job_requests (job, requested_at, requested_by)
values ($1, $2, $3)
on conflict (job) do nothing
