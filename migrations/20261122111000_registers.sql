-- What finance records: exchange rates, which of them months use, invoices, and rules for shared cost.

-- Nothing is overwritten: of two rates of a kind and day the one that was set last counts.
create table rates (
    rate_id integer generated always as identity primary key,
    kind text not null check (kind in ('planning', 'ttm', 'tts', 'ttb', 'interbank')),
    rate_date date not null,
    value numeric not null check (value > 0),
    source text not null,
    set_by text not null,
    set_at timestamptz not null
);

create index rates_kind_date on rates (kind, rate_date, rate_id);

create table rate_policies (
    policy_id integer generated always as identity primary key,
    valid_from date not null check (extract(day from valid_from) = 1),
    kind text not null check (kind in ('planning', 'ttm', 'tts', 'ttb', 'interbank')),
    date_rule text not null check (date_rule in ('month_end', 'previous_month_end', 'month_start', 'month_average')),
    set_by text not null,
    set_at timestamptz not null
);

create table invoices (
    invoice_id text primary key,
    payer text not null,
    seller text not null,
    registration_number text not null,
    kind text not null check (kind in ('invoice', 'refund', 'corrected')),
    corrects text,
    issue_date date not null,
    billing_period date not null check (extract(day from billing_period) = 1),
    currency text not null check (currency in ('JPY', 'USD')),
    net_usd numeric not null,
    net_jpy numeric,
    treatment text not null check (treatment in ('charged', 'reverse_charge', 'none', 'undecided')),
    file_name text not null,
    file_sha256 text not null,
    recorded_by text not null,
    recorded_at timestamptz not null,
    check ((net_jpy is not null) = (currency = 'JPY'))
);

create index invoices_period on invoices (billing_period);

create table invoice_taxes (
    invoice_id text not null references invoices on delete cascade,
    rate numeric not null,
    tax_usd numeric not null,
    tax_jpy numeric,
    primary key (invoice_id, rate)
);

-- Each import of rules is a version; the newest holds, the older ones say what held when a month was sealed.
create table allocation_versions (
    allocation_version integer generated always as identity primary key,
    imported_by text not null,
    imported_at timestamptz not null
);

create table allocation_rules (
    allocation_version integer not null references allocation_versions,
    position integer not null,
    pool text not null,
    method text not null,
    members text not null,
    fallback text,
    legal_entity text,
    valid_from date not null check (extract(day from valid_from) = 1),
    valid_to date check (extract(day from valid_to) = 1 and valid_to > valid_from),
    primary key (allocation_version, position)
);
