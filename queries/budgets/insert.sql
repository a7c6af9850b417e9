-- $1 version, $2 position, then the columns
insert into budgets (
    budget_version, position, name, scope, code, frequency, currency, amount, rate, basis, with_allocated, with_tax, owner_person_id,
    channel, thresholds, valid_from, valid_to
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
