-- Sums that pages and reports read.  They are replaced together with the charges that they are sums of, and carry the
-- source, so that reloading one payer's export leaves another's alone; a reader adds up the sources.

create table department_days (
    billing_period date not null,
    source_id integer not null,
    usage_date date not null,
    charge_class text not null,
    charge_type text not null,
    currency text not null,
    state text not null,
    reason text,
    department text,
    lines bigint not null,
    tokens bigint not null,
    cost numeric not null,
    net_cost numeric not null
);

create index department_days_period on department_days (billing_period, source_id);

create table department_months (
    billing_period date not null,
    source_id integer not null,
    charge_class text not null,
    charge_type text not null,
    currency text not null,
    state text not null,
    reason text,
    department text,
    lines bigint not null,
    tokens bigint not null,
    cost numeric not null,
    net_cost numeric not null
);

create index department_months_period on department_months (billing_period, source_id);

-- Usage only.
create table person_model_months (
    billing_period date not null,
    source_id integer not null,
    currency text not null,
    state text not null,
    reason text,
    department text,
    person text,
    project text,
    provider text,
    family text,
    version text,
    model text,
    token_kind text,
    cache_ttl text,
    route text,
    tier text,
    context text,
    line_kind text,
    lines bigint not null,
    tokens bigint not null,
    cost numeric not null,
    net_cost numeric not null
);

create index person_model_months_period on person_model_months (billing_period, source_id);
create index person_model_months_person on person_model_months (person, billing_period) where person is not null;
