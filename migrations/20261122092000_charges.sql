-- Daily charges, and the texts that they repeat.  A dimension row never changes: its key is the digest of what it says.

create table accounts (
    account_key integer generated always as identity primary key,
    account text not null unique
);

create table principals (
    principal_key integer generated always as identity primary key,
    arn text not null unique,
    account text,
    kind text not null,
    role_name text,
    session_name text,
    user_name text
);

create table tag_sets (
    tag_set_key integer generated always as identity primary key,
    digest bytea not null unique,
    tags jsonb not null
);

create table resources (
    resource_key integer generated always as identity primary key,
    digest bytea not null unique,
    resource text not null
);

-- What a line meters: the bill's own words, and what anbun reads in them.
create table meters (
    meter_key integer generated always as identity primary key,
    digest bytea not null unique,
    product_code text,
    product_family text,
    product_name text,
    product_provider text,
    product_model text,
    inference_type text,
    feature text,
    usage_type text,
    operation text,
    region_code text,
    unit text,
    region text,
    line_kind text,
    provider text,
    family text,
    version text,
    model text,
    token_kind text,
    cache_ttl text,
    route text,
    tier text,
    context text
);

-- Where on the bill a line stands.
create table bill_sections (
    section_key integer generated always as identity primary key,
    digest bytea not null unique,
    charge_type text not null,
    charge_class text not null check (charge_class in ('usage', 'tax', 'credit', 'refund', 'discount', 'other')),
    bill_type text,
    tax_type text,
    billing_entity text,
    seller text,
    invoice text,
    currency text not null,
    description text
);

-- Whose a charge is, as it was decided; kept with the charge, so that a later move does not rewrite the past.
create table attributions (
    attribution_key integer generated always as identity primary key,
    digest bytea not null unique,
    state text not null check (state in ('attributed', 'quarantined', 'unattributed')),
    reason text,
    department text,
    person text,
    project text,
    rule text,
    person_rule text,
    check ((state = 'attributed') = (reason is null)),
    check (state <> 'attributed' or department is not null)
);

create index attributions_person on attributions (person) where person is not null;
create index attributions_department on attributions (department) where department is not null;

create table charges (
    billing_period date not null,
    source_id integer not null,
    usage_date date not null,
    payer_key integer not null,
    account_key integer not null,
    principal_key integer,
    tag_set_key integer not null,
    meter_key integer not null,
    resource_key integer,
    section_key integer not null,
    attribution_key integer not null,
    caught_by smallint not null,
    lines integer not null,
    lines_without_net integer not null,
    lines_without_list integer not null,
    tokens bigint not null,
    quantity numeric not null,
    cost numeric not null,
    net_cost numeric not null,
    list_cost numeric
) partition by list (billing_period);

create index charges_attribution on charges (attribution_key, usage_date);

-- Exact totals of the lines that are not Bedrock: they prove an invoice later.
create table left_out_totals (
    billing_period date not null,
    source_id integer not null,
    usage_date date not null,
    payer_key integer not null,
    account_key integer not null,
    section_key integer not null,
    lines bigint not null,
    cost numeric not null,
    net_cost numeric not null
);

create index left_out_totals_period on left_out_totals (billing_period, source_id);
