-- The balance that a person brings from an earlier version becomes one opening lot and one opening ledger row, and
-- no more: the chain of balances starts there, rows from before stay readable. Running it again finds nothing to do.

with opening as (
    select p.id as user_id, p.tokens, 'opening:' || p.id as key
    from public.user_profiles as p
    where p.tokens > 0
    and not exists (select 1 from public.token_grants as g where g.user_id = p.id)
    and not exists (select 1 from public.transactions as t where t.user_id = p.id and t.balance_after is not null)
    for no key update
), lots as (
    insert into public.token_grants (user_id, source, amount, remaining, key)
    select o.user_id, 'opening_balance', o.tokens, o.tokens, o.key from opening as o
    returning id, user_id, amount, key
)
insert into public.transactions (user_id, transaction_type, tokens, balance_after, grant_id, key)
select l.user_id, 'opening', l.amount, l.amount, l.id, l.key from lots as l;
