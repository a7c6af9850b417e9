-- Removes the sums of a source's month before the new ones are written, in the same transaction.
-- $1 source, $2 billing period
with days as (
    delete from department_days where source_id = $1 and billing_period = $2
),

months as (
    delete from department_months where source_id = $1 and billing_period = $2
),

models as (
    delete from person_model_months where source_id = $1 and billing_period = $2
),

account_days as (
    delete from account_days where source_id = $1 and billing_period = $2
),

usage_days as (
    delete from usage_days where source_id = $1 and billing_period = $2
),

people as (
    delete from person_months where source_id = $1 and billing_period = $2
),

hours as (
    delete from late_hours where source_id = $1 and billing_period = $2
)

delete from left_out_totals where source_id = $1 and billing_period = $2
