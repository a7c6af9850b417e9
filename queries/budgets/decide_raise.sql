-- $1 raise, $2 whether it is approved, $3 by, $4 at
update budget_raises set is_approved = $2, decided_by = $3, decided_at = $4
where raise_id = $1 and decided_by is null
