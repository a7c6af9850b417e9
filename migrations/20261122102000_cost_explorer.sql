-- What Cost Explorer says, for comparison; the bill's own export stays the truth.

-- Every request costs money.  A row is written before the request is sent.
create table cost_explorer_requests (
    request_id bigint generated always as identity primary key,
    requested_at timestamptz not null,
    operation text not null,
    asked text not null
);

create index cost_explorer_requests_time on cost_explorer_requests (requested_at);

create table cost_explorer_services (
    payer text not null,
    service text not null,
    found_at timestamptz not null,
    primary key (payer, service)
);

-- Days that were asked.  A day that is no estimate any more is not asked again.
create table cost_explorer_days (
    payer text not null,
    -- usage_type, record_type, or tag: and the key.
    kind text not null,
    usage_date date not null,
    is_estimated boolean not null,
    fetched_at timestamptz not null,
    primary key (payer, kind, usage_date)
);

create table cost_explorer_totals (
    payer text not null,
    kind text not null,
    usage_date date not null,
    -- Null where the totals are of all services.
    service text,
    -- The usage type, record type, or value of the tag; empty for what has no such tag.
    label text not null,
    currency text not null,
    cost numeric not null,
    foreign key (payer, kind, usage_date) references cost_explorer_days on delete cascade
);

create index cost_explorer_totals_day on cost_explorer_totals (payer, kind, usage_date);

-- A question whose pages were not all fetched when the day's requests were used up.
create table cost_explorer_unfinished (
    payer text not null,
    kind text not null,
    window_from date not null,
    window_to date not null,
    next_page_token text not null,
    totals jsonb not null,
    primary key (payer, kind, window_from, window_to)
);

create table cost_allocation_tags (
    payer text not null,
    tag_key text not null,
    status text not null,
    last_used date,
    checked_at timestamptz not null,
    primary key (payer, tag_key)
);
