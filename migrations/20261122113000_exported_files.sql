-- Files that were handed to finance: the same question gets the same bytes.

create table exported_files (
    file_id integer generated always as identity primary key,
    statement_id integer not null references statements,
    -- What it is: csv, xlsx, journal:freee, with everything else that its content depends on.
    kind text not null,
    -- What must be posted once, whatever its format.
    series text not null,
    file_name text not null,
    content bytea not null,
    -- Of a journal: what it posts, so that a later version takes back exactly that.
    slips jsonb,
    sha256 text not null,
    made_by text not null,
    made_at timestamptz not null,
    unique (statement_id, kind)
);

-- Who took which file, each time.
create table file_downloads (
    file_id integer not null references exported_files,
    taken_by text not null,
    taken_at timestamptz not null
);

create index file_downloads_file on file_downloads (file_id, taken_at);
