-- What finance adds to a month by hand, in yen: fees that come on no AWS bill.  Shared like any pool.

create table manual_pools (
    manual_pool_id integer generated always as identity primary key,
    billing_period date not null check (extract(day from billing_period) = 1),
    name text not null,
    payer text not null,
    jpy numeric not null check (jpy <> 0 and jpy = trunc(jpy)),
    reason text not null,
    recorded_by text not null,
    recorded_at timestamptz not null,
    unique (billing_period, name)
);
