-- A raise is money, and a budget that comes back in another currency is not raised by it.
alter table budget_raises add column currency text;
update budget_raises set currency = coalesce(
    (select b.currency from budgets as b where b.name = budget_raises.budget order by b.budget_version desc limit 1), 'JPY'
);
alter table budget_raises alter column currency set not null;
