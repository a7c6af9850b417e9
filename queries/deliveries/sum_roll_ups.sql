-- What was just written of a source's month, to be compared with what was read.
-- $1 source, $2 billing period
select
    (select coalesce(sum(lines), 0)::bigint from department_days where source_id = $1 and billing_period = $2) as "day_lines!",
    (select coalesce(sum(cost), 0) from department_days where source_id = $1 and billing_period = $2) as "day_cost!",
    (select coalesce(sum(cost), 0) from department_months where source_id = $1 and billing_period = $2) as "month_cost!",
    (select coalesce(sum(lines), 0)::bigint from left_out_totals where source_id = $1 and billing_period = $2) as "left_out_lines!"
