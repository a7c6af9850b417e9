-- Pages that were fetched before the day's requests were used up.
insert into cost_explorer_unfinished (payer, kind, window_from, window_to, next_page_token, totals)
values ($1, $2, $3, $4, $5, $6)
on conflict (payer, kind) do update
set window_from = $3, window_to = $4, next_page_token = $5, totals = $6
