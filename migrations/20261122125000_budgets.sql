-- What a company means to spend.  Each import of budgets is a version; the newest holds.

create table budget_versions (
    budget_version integer generated always as identity primary key,
    imported_by text not null,
    imported_at timestamptz not null
);

create table budgets (
    budget_version integer not null references budget_versions,
    position integer not null,
    name text not null,
    scope text not null check (scope in ('company', 'department', 'project', 'person', 'family', 'account')),
    code text not null,
    frequency text not null check (frequency in ('month', 'quarter', 'fiscal_year')),
    currency text not null check (currency in ('JPY', 'USD')),
    amount numeric not null check (amount > 0),
    -- Yen for a dollar that the budget is kept at; null for one in dollars.
    rate numeric,
    basis text not null check (basis in ('usage', 'after_discounts', 'after_credits')),
    with_allocated boolean not null,
    with_tax boolean not null,
    owner_person_id text not null,
    channel text not null,
    valid_from date not null check (extract(day from valid_from) = 1),
    valid_to date check (extract(day from valid_to) = 1 and valid_to > valid_from),
    primary key (budget_version, position),
    check ((rate is null) = (currency = 'USD'))
);
