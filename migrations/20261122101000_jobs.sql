-- Runs of scheduled work, what they found, and wishes for a run.

create table job_runs (
    run_id bigint generated always as identity primary key,
    job text not null,
    trigger text not null check (trigger in ('schedule', 'request', 'command')),
    replica text not null,
    -- Who asked for it at the API.
    requested_by text,
    started_at timestamptz not null,
    finished_at timestamptz,
    status text not null check (status in ('running', 'done', 'failed', 'abandoned')),
    counts jsonb not null default '{}',
    -- What AWS charges for the run's requests, in USD.
    cost numeric(38, 12) not null default 0,
    error text,
    retry_at timestamptz,
    check ((status = 'running') = (finished_at is null))
);

create index job_runs_job on job_runs (job, run_id desc);

-- What a job's last run found; each run replaces them.  Without a month they concern every figure that is still open.
create table job_findings (
    finding_id bigint generated always as identity primary key,
    job text not null,
    billing_period date,
    source text not null,
    code text not null,
    severity text not null check (severity in ('info', 'warning', 'error')),
    subject text not null,
    message text not null,
    action text not null,
    amount numeric(38, 12),
    currency text,
    lines bigint,
    noticed_at timestamptz not null
);

create index job_findings_job on job_findings (job);

-- Somebody asked for a run; the next scheduler that sees it takes it.
create table job_requests (
    job text primary key,
    requested_at timestamptz not null,
    requested_by text not null
);
