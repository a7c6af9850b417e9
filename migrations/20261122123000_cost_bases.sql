-- A payer's months can be booked by the net column instead of unblended cost with separate discount lines.

create table cost_bases (
    cost_basis_id integer generated always as identity primary key,
    payer text not null,
    valid_from date not null check (extract(day from valid_from) = 1),
    basis text not null check (basis in ('unblended', 'net')),
    set_by text not null,
    set_at timestamptz not null
);

create index cost_bases_payer on cost_bases (payer, valid_from, cost_basis_id);

alter table department_months add column lines_without_net bigint not null default 0;
alter table person_months add column net_cost numeric not null default 0;

-- Makes a source's sums of a month anew from its charges: the way back from the charges that a load computes as well.
create or replace function roll_up_charges(of_source integer, of_period date) returns void language plpgsql as $$
begin
    delete from department_days where source_id = of_source and billing_period = of_period;
    delete from department_months where source_id = of_source and billing_period = of_period;
    delete from person_model_months where source_id = of_source and billing_period = of_period;
    delete from person_months where source_id = of_source and billing_period = of_period;

    create temporary table charged on commit drop as
    select
        c.usage_date,
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
        c.usage_date, p.account, s.seller, s.invoice, a.account, m.product_code, s.charge_class, s.charge_type, s.currency,
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
        line_kind, token, state, reason, department, lines, lines_without_net, tokens, cost, net_cost
    )
    select
        of_period, of_source, payer, seller, invoice, account, product_code, charge_class, charge_type, currency, line_kind,
        token, state, reason, department, sum(lines), sum(lines_without_net), sum(tokens), sum(cost), sum(net_cost)
    from charged
    group by
        payer, seller, invoice, account, product_code, charge_class, charge_type, currency, line_kind, token, state, reason,
        department;

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

select roll_up_charges(source_id, billing_period) from snapshots where is_current;
