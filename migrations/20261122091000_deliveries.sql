-- Exports, and what was loaded from them.

create table sources (
    source_id integer generated always as identity primary key,
    name text not null unique,
    location text not null
);

-- One delivery of one billing period.  A newer one of the same source and period supersedes it.
create table snapshots (
    snapshot_id integer generated always as identity primary key,
    source_id integer not null references sources,
    billing_period date not null check (extract(day from billing_period) = 1),
    digest text not null,
    manifest text not null,
    delivered_at timestamptz not null,
    loaded_at timestamptz not null,
    loaded_by text not null,
    directory_version integer,
    lines_read bigint not null,
    lines_kept bigint not null,
    first_day date,
    last_day date,
    is_current boolean not null
);

create unique index snapshots_current on snapshots (billing_period, source_id) where is_current;

create table snapshot_totals (
    snapshot_id integer not null references snapshots on delete cascade,
    is_bedrock boolean not null,
    charge_type text not null,
    currency text not null,
    lines bigint not null,
    cost numeric(38, 12) not null,
    net_cost numeric(38, 12) not null,
    primary key (snapshot_id, is_bedrock, charge_type, currency)
);

-- A payer's month may be counted from one source only.
create table snapshot_payers (
    snapshot_id integer not null references snapshots on delete cascade,
    payer text not null,
    primary key (snapshot_id, payer)
);

create table snapshot_days (
    snapshot_id integer not null references snapshots on delete cascade,
    usage_date date not null,
    lines bigint not null,
    primary key (snapshot_id, usage_date)
);

create table findings (
    finding_id bigint generated always as identity primary key,
    snapshot_id integer not null references snapshots on delete cascade,
    code text not null,
    severity text not null check (severity in ('info', 'warning', 'error')),
    subject text not null,
    message text not null,
    action text not null,
    amount numeric(38, 12),
    currency text,
    lines bigint
);

create index findings_snapshot on findings (snapshot_id);
