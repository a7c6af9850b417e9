-- The company as finance knows it.  Dates are UTC days; valid_to is exclusive, null means open.

create table directory_versions (
    directory_version integer generated always as identity primary key,
    imported_at timestamptz not null,
    imported_by text not null,
    changes jsonb not null
);

create table departments (
    code text not null,
    name text not null,
    name_ja text not null,
    parent_code text not null,
    cost_center text not null,
    legal_entity text not null,
    successor_code text not null,
    valid_from date not null,
    valid_to date,
    primary key (code, valid_from),
    check (valid_to is null or valid_to > valid_from)
);

create table people (
    person_id text not null,
    name text not null,
    email text not null,
    department_code text not null,
    manager_person_id text not null,
    valid_from date not null,
    valid_to date,
    primary key (person_id, valid_from),
    check (valid_to is null or valid_to > valid_from)
);

create table projects (
    code text not null,
    name text not null,
    owner_person_id text not null,
    department_code text not null,
    valid_from date not null,
    valid_to date,
    primary key (code, valid_from),
    check (valid_to is null or valid_to > valid_from)
);

-- Cells as in the file: '*' matches anything, '' only what is not there.
create table principal_entries (
    account_id text not null,
    role_name text not null,
    session_name text not null,
    user_name text not null,
    person_id text not null,
    department_code text not null,
    project_code text not null,
    kind text not null check (kind in ('person', 'service', 'gateway', 'shared')),
    valid_from date not null,
    valid_to date,
    primary key (account_id, role_name, session_name, user_name, valid_from),
    check (valid_to is null or valid_to > valid_from)
);
