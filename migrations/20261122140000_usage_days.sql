-- Use by the day, for budgets and forecasts: of each project, person, account and family of models.  That of departments and of
-- the company is in department_days.
create table usage_days (
    billing_period date not null,
    source_id integer not null,
    scope text not null check (scope in ('project', 'person', 'account', 'family')),
    code text not null,
    currency text not null,
    usage_date date not null,
    tokens bigint not null,
    cost numeric not null
);

create index usage_days_code on usage_days (scope, code, billing_period);
create index usage_days_period on usage_days (billing_period, source_id);

create function roll_up_usage_days(of_source integer, of_period date) returns void language plpgsql as $$
begin
    delete from usage_days where source_id = of_source and billing_period = of_period;

    insert into usage_days (billing_period, source_id, scope, code, currency, usage_date, tokens, cost)
    select of_period, of_source, each.scope, each.code, s.currency, c.usage_date, sum(c.tokens), sum(c.cost)
    from charges as c
    inner join accounts as a on a.account_key = c.account_key
    inner join bill_sections as s on s.section_key = c.section_key
    inner join meters as m on m.meter_key = c.meter_key
    inner join attributions as o on o.attribution_key = c.attribution_key
    cross join lateral (
        values ('project', o.project), ('person', o.person), ('account', a.account), ('family', m.family)
    ) as each (scope, code)
    where c.billing_period = of_period and c.source_id = of_source and s.charge_class = 'usage' and each.code is not null
    group by each.scope, each.code, s.currency, c.usage_date;
end
$$;

alter function roll_up_charges(integer, date) rename to roll_up_months;

-- Makes a source's sums of a month anew from its charges: the way back from the charges that a load computes as well.
create function roll_up_charges(of_source integer, of_period date) returns void language plpgsql as $$
begin
    perform roll_up_months(of_source, of_period);
    perform roll_up_usage_days(of_source, of_period);
end
$$;

-- What is loaded already has its days.
select roll_up_usage_days(source_id, billing_period) from snapshots where is_current;
