-- When the next message is due; null where none waits.
select min(case state when 'sending' then leased_until else not_before end) as due
from outbox
where state in ('waiting', 'sending')
