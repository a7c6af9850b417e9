-- Bedrock's services of a payer, and when they were found.
-- $1 payer
select service, found_at from cost_explorer_services where payer = $1 order by service
