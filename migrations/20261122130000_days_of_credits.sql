-- A credit or discount of one day belongs to the usage of that day.  What was loaded before does not say, and follows the month.

alter table charges add column is_of_one_day boolean not null default false;
alter table department_months add column usage_date date;

-- Usage of the days on which the same account and product has a credit or discount of that day.
create table account_days (
    billing_period date not null,
    source_id integer not null,
    payer text not null,
    account text not null,
    product_code text not null,
    usage_date date not null,
    department text,
    cost numeric not null,
    net_cost numeric not null
);

create index account_days_period on account_days (billing_period, source_id);

-- Makes a source's sums of a month anew from its charges: the way back from the charges that a load computes as well.
create or replace function roll_up_charges(of_source integer, of_period date) returns void language plpgsql as $$
begin
    delete from department_days where source_id = of_source and billing_period = of_period;
    delete from department_months where source_id = of_source and billing_period = of_period;
    delete from person_model_months where source_id = of_source and billing_period = of_period;
    delete from account_days where source_id = of_source and billing_period = of_period;
    delete from person_months where source_id = of_source and billing_period = of_period;

    create temporary table charged on commit drop as
    select
        c.usage_date,
        c.is_of_one_day,
        p.account as payer,
        coalesce(s.seller, '') as seller,
        s.invoice,
        a.account,
        m.product_code,
        s.charge_class,
        s.charge_type,
        s.currency,
        coalesce(m.line_kind, 'unknown') as line_kind,
        case when m.token_kind is not null then concat_ws('_', m.token_kind, m.cache_ttl) end as token,
        m.provider, m.family, m.version, m.model, m.token_kind, m.cache_ttl, m.route, m.tier, m.context,
        o.state, o.reason, o.department, o.person, o.project,
        sum(c.lines)::bigint as lines,
        sum(c.lines_without_net)::bigint as lines_without_net,
        sum(c.tokens)::bigint as tokens,
        sum(c.cost) as cost,
        sum(c.net_cost) as net_cost
    from charges as c
    inner join accounts as p on p.account_key = c.payer_key
    inner join accounts as a on a.account_key = c.account_key
    inner join bill_sections as s on s.section_key = c.section_key
    inner join meters as m on m.meter_key = c.meter_key
    inner join attributions as o on o.attribution_key = c.attribution_key
    where c.billing_period = of_period and c.source_id = of_source
    group by
        c.usage_date, c.is_of_one_day, p.account, s.seller, s.invoice, a.account, m.product_code, s.charge_class, s.charge_type, s.currency,
        m.line_kind, m.token_kind, m.cache_ttl, m.provider, m.family, m.version, m.model, m.route, m.tier, m.context,
        o.state, o.reason, o.department, o.person, o.project;

    insert into department_days (
        billing_period, source_id, usage_date, charge_class, charge_type, currency, state, reason, department, lines, tokens,
        cost, net_cost
    )
    select
        of_period, of_source, usage_date, charge_class, charge_type, currency, state, reason, department, sum(lines),
        sum(tokens), sum(cost), sum(net_cost)
    from charged
    group by usage_date, charge_class, charge_type, currency, state, reason, department;

    insert into department_months (
        billing_period, source_id, payer, seller, invoice, account, product_code, charge_class, charge_type, currency,
        line_kind, token, state, reason, department, usage_date, lines, lines_without_net, tokens, cost, net_cost
    )
    select
        of_period, of_source, payer, seller, invoice, account, product_code, charge_class, charge_type, currency, line_kind,
        token, state, reason, department, case when is_of_one_day then usage_date end, sum(lines), sum(lines_without_net),
        sum(tokens), sum(cost), sum(net_cost)
    from charged
    group by
        payer, seller, invoice, account, product_code, charge_class, charge_type, currency, line_kind, token, state, reason,
        department, case when is_of_one_day then usage_date end;

    insert into account_days (
        billing_period, source_id, payer, account, product_code, usage_date, department, cost, net_cost
    )
    select of_period, of_source, payer, account, product_code, usage_date, department, sum(cost), sum(net_cost)
    from charged
    where
        charge_class = 'usage'
        and (payer, account, product_code, usage_date) in (
            select o.payer, o.account, o.product_code, o.usage_date from charged as o where o.is_of_one_day
        )
    group by payer, account, product_code, usage_date, department;

    insert into person_model_months (
        billing_period, source_id, payer, seller, invoice, currency, state, reason, department, person, project, provider,
        family, version, model, token_kind, cache_ttl, route, tier, context, line_kind, lines, tokens, cost, net_cost
    )
    select
        of_period, of_source, payer, seller, invoice, currency, state, reason, department, person, project, provider, family,
        version, model, token_kind, cache_ttl, route, tier, context, line_kind, sum(lines), sum(tokens), sum(cost),
        sum(net_cost)
    from charged
    where charge_class = 'usage'
    group by
        payer, seller, invoice, currency, state, reason, department, person, project, provider, family, version, model,
        token_kind, cache_ttl, route, tier, context, line_kind;

    insert into person_months (
        billing_period, source_id, payer, seller, invoice, currency, department, person, lines, tokens, cost, net_cost
    )
    select
        of_period, of_source, payer, seller, invoice, currency, department, person, sum(lines), sum(tokens), sum(cost),
        sum(net_cost)
    from charged
    where charge_class = 'usage' and state = 'attributed'
    group by payer, seller, invoice, currency, department, person;

    drop table charged;
end
$$;
