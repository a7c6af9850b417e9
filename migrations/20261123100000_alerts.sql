-- Budgets that speak: thresholds, temporary raises, evaluations, alerts, and what is to be sent.

-- Such as `50%;80%;1000000;forecast 100%`; empty is the default.
alter table budgets add column thresholds text not null default '';

-- More money for a while.  Asked for by one person, approved by another.
create table budget_raises (
    raise_id integer generated always as identity primary key,
    budget text not null,
    amount numeric not null check (amount > 0),
    valid_from date not null,
    valid_to date not null check (valid_to > valid_from),
    reason text not null,
    ringi text not null,
    requested_by text not null,
    requested_at timestamptz not null,
    -- Null while nobody has.
    decided_by text,
    decided_at timestamptz,
    is_approved boolean not null default false,
    check ((decided_by is null) = (decided_at is null)),
    check (not is_approved or decided_by is not null)
);

-- How a budget stood when it was last looked at: one row a window.
create table budget_evaluations (
    budget text not null,
    window_from date not null,
    evaluated_at timestamptz not null,
    -- What the comparison needs of then; see domain::alert.
    stood jsonb not null,
    primary key (budget, window_from)
);

create table alerts (
    alert_id bigint generated always as identity primary key,
    -- spent, forecast, anomaly, first_seen
    kind text not null,
    -- The budget's name, or what was seen.
    subject text not null,
    window_from date not null,
    threshold text not null,
    -- How often it had spoken before and was taken back.
    arming integer not null,
    raised_at timestamptz not null,
    -- new_use, reattribution, rule, restatement, budget_change, past
    cause text not null,
    -- What the message is made of, as it stood.
    facts jsonb not null,
    -- Of a person's budget or use: shown only to those who may see people.
    is_personal boolean not null,
    acknowledged_by text,
    acknowledged_at timestamptz,
    -- Since when it can speak again, and why.
    rearmed_at timestamptz,
    rearmed_because text,
    -- Of an anomaly: its episode is over.
    ended_at timestamptz,
    -- An alert is there once.
    unique (kind, subject, window_from, threshold, arming)
);

create index alerts_raised on alerts (raised_at desc);

-- A budget keeps silent for a while.
create table alert_snoozes (
    subject text not null,
    snoozed_until timestamptz not null,
    snoozed_by text not null,
    snoozed_at timestamptz not null,
    primary key (subject)
);

-- What is to be sent.  A row is written with the alerts that it tells, in one transaction.
create table outbox (
    message_id uuid primary key,
    -- slack, slack_webhook, webhook, mail
    way text not null,
    -- A channel, an address, a name of the settings.
    destination text not null,
    content jsonb not null,
    -- The first message of a window, under which this one stands.
    thread_of uuid references outbox,
    -- waiting, sending, sent, dead
    state text not null check (state in ('waiting', 'sending', 'sent', 'dead')),
    created_at timestamptz not null,
    not_before timestamptz not null,
    attempts integer not null default 0,
    -- Whether an attempt ended without saying whether it was taken.
    is_unknown boolean not null default false,
    first_attempt_at timestamptz,
    -- Attempts that ended so after one that did.
    repeats integer not null default 0,
    lease uuid,
    leased_until timestamptz,
    sent_at timestamptz,
    -- Slack's name of the message.
    slack_channel text,
    slack_ts text,
    error_code text,
    error text,
    check ((state = 'sending') = (lease is not null)),
    check ((state = 'sent') = (sent_at is not null))
);

create index outbox_waiting on outbox (not_before) where state in ('waiting', 'sending');
create index outbox_destination on outbox (way, destination, sent_at);

-- The same alert never twice by the same way.
create table outbox_alerts (
    alert_id bigint not null references alerts,
    way text not null,
    destination text not null,
    message_id uuid not null references outbox,
    primary key (alert_id, way, destination)
);

-- Principals, models, regions and products that were seen, and since when.
create table first_seen (
    kind text not null check (kind in ('principal', 'model', 'region', 'product')),
    code text not null,
    seen_at timestamptz not null,
    primary key (kind, code)
);

-- Forecasts as they were made on days 5, 10, 15 and 20.
create table kept_forecasts (
    scope text not null,
    code text not null,
    billing_period date not null check (extract(day from billing_period) = 1),
    day_of_month integer not null check (day_of_month in (5, 10, 15, 20)),
    made_at timestamptz not null,
    data_as_of timestamptz not null,
    method text not null,
    -- Dollars of use at the end of the month.
    expected numeric not null,
    low numeric not null,
    high numeric not null,
    primary key (scope, code, billing_period, day_of_month)
);

-- Button presses of Slack that were taken.
create table slack_actions (
    action_id text primary key,
    slack_user text not null,
    person_id text not null,
    action text not null,
    done_at timestamptz not null
);

-- Who somebody is in Slack.
create table slack_people (
    slack_user text primary key,
    person_id text not null
);
