-- Pages that are paid for, of a question that has more.
insert into cost_explorer_unfinished (payer, kind, window_from, window_to, next_page_token, totals)
values ($1, $2, $3, $4, $5, $6)
on conflict (payer, kind, window_from, window_to) do update set next_page_token = $5, totals = $6
