-- One row a job that ever ran: its first and last run, its last one that was done, and the runs since that were not.
-- Index: job_runs_job.
with last_done as (
    select job, max(run_id) as run_id, max(finished_at) as finished_at
    from job_runs
    where status = 'done'
    group by job
),

last_run as (
    select distinct on (job) job, run_id, started_at, status, retry_at
    from job_runs
    order by job, run_id desc
)

select
    l.job,
    l.started_at,
    l.status,
    l.retry_at,
    d.finished_at as "last_done_at?",
    (select min(f.started_at) from job_runs as f where f.job = l.job) as "first_started_at!",
    (
        select count(*)
        from job_runs as f
        where f.job = l.job and f.status in ('failed', 'abandoned') and f.run_id > coalesce(d.run_id, 0)
    ) as "failures_in_a_row!"
from last_run as l
left join last_done as d using (job)
