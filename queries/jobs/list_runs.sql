-- The last run of each job, and before it as many as asked, the newest first.
-- $1 job, null for all; $2 runs a job
-- Index: job_runs_job.
select r.run_id, r.job, r.trigger, r.replica, r.requested_by, r.started_at, r.finished_at, r.status, r.counts, r.cost, r.error, r.retry_at
from (
    select *, row_number() over (partition by job order by run_id desc) as nth
    from job_runs
    where $1::text is null or job = $1
) as r
where r.nth <= $2
order by r.job, r.run_id desc
