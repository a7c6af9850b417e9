-- A run that begins.
-- $1 job, $2 trigger, $3 replica, $4 now, $5 who asked for it
insert into job_runs (job, trigger, replica, started_at, status, requested_by)
values ($1, $2, $3, $4, 'running', $5)
returning run_id
