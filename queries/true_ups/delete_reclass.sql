-- Takes an approved dispute back.
-- $1 origin, $2 number
delete from reclasses
where origin_period = $1 and reclass_id = $2
