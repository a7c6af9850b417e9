-- Services that a payer has now.
-- $1 payer, $2 services, $3 now
insert into cost_explorer_services (payer, service, found_at)
select $1, s.service, $3 from unnest($2::text[]) as s (service)
on conflict do nothing
