-- What each delivery said per department and day.  It stays when the delivery is superseded, so that a refresh can be asked
-- what it changed.

create table snapshot_department_days (
    snapshot_id integer not null references snapshots on delete cascade,
    usage_date date not null,
    charge_type text not null,
    currency text not null,
    -- The department, or why there is none: the reason of usage, nothing for what is no usage.
    department text,
    reason text,
    lines bigint not null,
    cost numeric not null
);

create index snapshot_department_days_snapshot on snapshot_department_days (snapshot_id);

insert into snapshot_department_days (snapshot_id, usage_date, charge_type, currency, department, reason, lines, cost)
select n.snapshot_id, d.usage_date, d.charge_type, d.currency, d.department, d.reason, sum(d.lines), sum(d.cost)
from department_days as d
inner join snapshots as n on n.billing_period = d.billing_period and n.source_id = d.source_id and n.is_current
group by n.snapshot_id, d.usage_date, d.charge_type, d.currency, d.department, d.reason;

create index snapshots_history on snapshots (source_id, billing_period, snapshot_id);
