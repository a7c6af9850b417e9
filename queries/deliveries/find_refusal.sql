-- Why a month's newest delivery was refused for good, and which delivery that was.
-- $1 source, $2 billing period
select message, digest as "digest!" from refusals where source_id = $1 and billing_period = $2 and digest is not null
