-- API tokens: only the hash is kept, so that a copy of the database opens nothing.

create table api_tokens (
    token_id integer generated always as identity primary key,
    name text not null unique,
    role text not null check (role in ('finance', 'operator', 'admin')),
    hash bytea not null unique,
    created_at timestamptz not null,
    created_by text not null,
    last_used_at timestamptz,
    revoked_at timestamptz
);

-- Who looked at figures of single people, and what they asked.
create table personal_data_reads (
    read_id bigint generated always as identity primary key,
    read_at timestamptz not null,
    actor text not null,
    question text not null
);
