-- Usage of the last nine hours of each UTC day: in Japan it is the next day.  Only of exports that tell hours.

create table late_hours (
    billing_period date not null,
    source_id integer not null,
    usage_date date not null,
    cost numeric not null,
    primary key (billing_period, source_id, usage_date)
);
