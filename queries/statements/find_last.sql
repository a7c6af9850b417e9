-- The digest of the statement that was sealed last, whatever its month.
select digest from statements order by statement_id desc limit 1
