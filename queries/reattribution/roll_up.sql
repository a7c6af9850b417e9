-- Makes a month's sums anew.
-- $1 source, $2 billing period
select roll_up_charges($1, $2)
