-- Use by the day of each model, for unusual days; and a person's use of a month by project, so that a view by project reads models only
-- of those who work for several.

alter table usage_days drop constraint usage_days_scope_check;
alter table usage_days add constraint usage_days_scope_check check (scope in ('project', 'person', 'account', 'family', 'model'));

create or replace function roll_up_usage_days(of_source integer, of_period date) returns void language plpgsql as $$
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
        values ('project', o.project), ('person', o.person), ('account', a.account), ('family', m.family), ('model', m.model)
    ) as each (scope, code)
    where c.billing_period = of_period and c.source_id = of_source and s.charge_class = 'usage' and each.code is not null
    group by each.scope, each.code, s.currency, c.usage_date;
end
$$;

alter table person_months add column project text;

create function roll_up_person_months(of_source integer, of_period date) returns void language plpgsql as $$
begin
    delete from person_months where source_id = of_source and billing_period = of_period;

    insert into person_months (
        billing_period, source_id, payer, seller, invoice, currency, department, person, project, lines, tokens, cost, net_cost
    )
    select
        billing_period, source_id, payer, seller, invoice, currency, department, person, project, sum(lines), sum(tokens),
        sum(cost), sum(net_cost)
    from person_model_months
    where source_id = of_source and billing_period = of_period and state = 'attributed'
    group by billing_period, source_id, payer, seller, invoice, currency, department, person, project;
end
$$;

create or replace function roll_up_charges(of_source integer, of_period date) returns void language plpgsql as $$
begin
    perform roll_up_months(of_source, of_period);
    perform roll_up_person_months(of_source, of_period);
    perform roll_up_usage_days(of_source, of_period);
end
$$;

-- What is loaded already has its models and projects.
select roll_up_person_months(source_id, billing_period), roll_up_usage_days(source_id, billing_period) from snapshots where is_current;
