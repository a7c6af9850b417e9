-- Disputes of locked months that were approved: yen that move from one department to another, in the next open month.

create table reclasses (
    reclass_id integer generated always as identity primary key,
    origin_period date not null check (extract(day from origin_period) = 1),
    from_department text not null,
    to_department text not null,
    jpy numeric not null check (jpy > 0 and jpy = trunc(jpy)),
    reason text not null,
    approved_by text not null,
    approved_at timestamptz not null,
    check (from_department <> to_department)
);
