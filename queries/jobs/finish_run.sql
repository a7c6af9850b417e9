-- The end of a run.
-- $1 run, $2 status, $3 now, $4 counts, $5 cost in USD, $6 error, $7 when to try again
update job_runs
set status = $2, finished_at = $3, counts = $4, cost = $5, error = $6, retry_at = $7
where run_id = $1 and status = 'running'
