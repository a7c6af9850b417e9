-- The state of each month, and the statements that closed it.  Nothing here is ever changed but by the next step.

-- People stand in statements by an id of their own, so that a name can be erased without touching a seal.
create table opaque_people (
    person_id text primary key,
    opaque_id uuid not null unique
);

-- The directory as it was when a statement was sealed, once for each version.
create table sealed_directories (
    directory_version integer primary key references directory_versions,
    contents jsonb not null
);

create table statements (
    statement_id integer generated always as identity primary key,
    billing_period date not null,
    version integer not null,
    state text not null check (state in ('provisional', 'final')),
    sealed_at timestamptz not null,
    prepared_by text not null,
    directory_version integer,
    allocation_version integer,
    -- Canonical JSON of everything but the lines.
    head text not null,
    total_jpy numeric not null,
    digest text not null unique,
    -- Of the statement that was sealed before, whatever its month.
    previous_digest text,
    unique (billing_period, version)
);

-- Without a foreign key: lines are written with their statement in one transaction, and checking each of a company's half a
-- million costs as much as writing them.
create table statement_lines (
    statement_id integer not null,
    line integer not null,
    bill_group integer not null,
    column_name text not null,
    department text,
    pool text,
    person uuid,
    model text,
    project text,
    currency text not null,
    billed numeric not null,
    amount numeric not null,
    lines bigint not null,
    tokens bigint not null,
    primary key (statement_id, line)
);

-- A statement's lines summed by holder: what pages of a closed month are made from.
create table statement_postings (
    statement_id integer not null references statements,
    posting integer not null,
    bill_group integer not null,
    column_name text not null,
    department text,
    pool text,
    currency text not null,
    billed numeric not null,
    amount numeric not null,
    lines bigint not null,
    tokens bigint not null,
    primary key (statement_id, posting)
);

-- The deliveries that a statement rests on.
create table statement_deliveries (
    statement_id integer not null references statements,
    snapshot_id integer not null references snapshots,
    primary key (statement_id, snapshot_id)
);

create table month_states (
    billing_period date primary key check (extract(day from billing_period) = 1),
    state text not null check (state in ('open', 'provisional', 'final', 'locked')),
    statement_id integer references statements,
    changed_by text not null,
    changed_at timestamptz not null,
    check ((state = 'open') = (statement_id is null))
);

-- Every step that was taken, and why.
create table month_events (
    event_id bigint generated always as identity primary key,
    billing_period date not null,
    from_state text not null,
    to_state text not null,
    statement_id integer references statements,
    reason text,
    done_by text not null,
    done_at timestamptz not null
);

create index month_events_period on month_events (billing_period, event_id);

-- What the books of the company hold: the slips of a statement's journal.
create table posted_slips (
    statement_id integer not null references statements,
    slip text not null,
    posted_by text not null,
    posted_at timestamptz not null,
    primary key (statement_id, slip)
);
