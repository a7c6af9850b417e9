-- The last delivery of a source's month that was refused and has not been followed by one that was loaded.  Without it, the
-- old figures would look as if nothing newer had come.

create table refusals (
    source_id integer not null references sources,
    billing_period date not null,
    refused_at timestamptz not null,
    message text not null,
    primary key (source_id, billing_period)
);
