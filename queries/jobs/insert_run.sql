-- A run that begins.
-- $1 job, $2 trigger, $3 replica, $4 now
insert into job_runs (job, trigger, replica, started_at, status)
values ($1, $2, $3, $4, 'running')
returning run_id
