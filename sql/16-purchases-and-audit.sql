-- What a payment amounts to, and the proof that the books are right.

alter table public.purchases add column if not exists tokens_undelivered integer not null default 0;
alter table public.purchases
drop constraint if exists purchases_undelivered_or_short,
add constraint purchases_undelivered_or_short check (tokens_undelivered >= 0 and (tokens_undelivered = 0 or tokens_short = 0));
comment on column public.purchases.tokens_undelivered is
'Due, and nobody there to have them: the account was deleted. Counts as settled; given out when an account of this id is made again.';

create table if not exists public.payment_flags (
    payment_intent_id text primary key,
    reason text not null,
    -- Null where the payment names no purchase that it has a tie to.
    purchase_id uuid references public.purchases (id),
    raised_at timestamptz not null default now(),
    closed_at timestamptz,
    acknowledged_by uuid,
    note text,
    constraint payment_flags_acknowledged_is_closed check (acknowledged_by is null or closed_at is not null),
    constraint payment_flags_note_short check (length(note) <= 1000)
);
alter table public.payment_flags enable row level security;
revoke all on public.payment_flags from anon, authenticated;
create index if not exists payment_flags_purchase on public.payment_flags (purchase_id);
create index if not exists payment_flags_open on public.payment_flags (raised_at desc) where closed_at is null;
comment on table public.payment_flags is
'Payments that an operator must look at, one row each. Closed by an operator (acknowledged_by), or by itself once nothing is left to decide.';

create or replace function private.set_payment_flag(
    p_payment_intent_id text, p_reason text, p_purchase_id uuid, p_stands boolean
) returns void
language plpgsql
set search_path = ''
as $$
declare
    -- Metadata can be rewritten: a purchase that a payment claimed before must not go on showing its flag.
    v_earlier uuid := (select f.purchase_id from public.payment_flags as f where f.payment_intent_id = p_payment_intent_id);
begin
    insert into public.payment_flags as f (payment_intent_id, reason, purchase_id, closed_at)
    values (p_payment_intent_id, p_reason, p_purchase_id, case when not p_stands then now() end)
    on conflict (payment_intent_id) do update set
        reason = excluded.reason,
        purchase_id = coalesce(excluded.purchase_id, f.purchase_id),
        closed_at = case when p_stands is null then f.closed_at when not p_stands then coalesce(f.closed_at, now()) end
    -- What an operator has closed stays closed, however often the same is heard again.
    where f.acknowledged_by is null;
    update public.purchases as p set flagged_reason = r.reason, updated_at = now()
    from (
        select q.id, (
            select f.reason from public.payment_flags as f
            where f.purchase_id = q.id and f.closed_at is null
            order by f.raised_at desc, f.payment_intent_id limit 1
        ) as reason
        from public.purchases as q where q.id in (p_purchase_id, v_earlier)
    ) as r
    where p.id = r.id and p.flagged_reason is distinct from r.reason;
end;
$$;
comment on function private.set_payment_flag(text, text, uuid, boolean) is
'Raises the flag of a payment, or closes it where nothing is left to decide (p_stands false; null: not known, a closed one stays closed). '
'The caller holds the purchase''s lock.';

create or replace function private.tokens_due(p_purchase public.purchases) returns integer
language sql immutable
set search_path = ''
as $$
    select case
        when p_purchase.status = 'flagged' or coalesce(p_purchase.paid_minor, 0) <= 0 then 0
        when p_purchase.dispute in ('open', 'lost') then 0
        else ceil(
            p_purchase.pack_tokens::numeric * (p_purchase.paid_minor - p_purchase.refunded_minor) / p_purchase.paid_minor
        )::integer
    end
$$;
comment on function private.tokens_due(public.purchases) is
'Tokens that the facts of a purchase amount to: ceil(pack * (paid - refunded) / paid), none while disputed, lost or flagged.';

create or replace function private.lock_profile_if_any(p_user_id uuid) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_balance integer;
begin
    select p.tokens into v_balance from public.user_profiles as p where p.id = p_user_id for no key update;
    if not found then
        -- An account of this id may be about to be made: either it is seen below, or it finds what is kept for it.
        perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(p_user_id::text, 0));
        select p.tokens into v_balance from public.user_profiles as p where p.id = p_user_id for no key update;
    end if;
    return v_balance;
end;
$$;
comment on function private.lock_profile_if_any(uuid) is
'The lock of private.lock_profile, and the balance; null where the account is deleted, which then is not made again before the commit.';

create or replace function public.settle_purchase(p_purchase_id uuid)
returns table (tokens_due integer, tokens_moved integer, tokens_short integer, balance integer)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_purchase public.purchases;
    v_user_id uuid;
    v_balance integer;
    v_due integer;
    v_left integer;
    v_part integer;
    v_waiting integer;
    v_moved integer := 0;
    v_type text;
    v_lot record;
    v_grant_id bigint;
begin
    select p.user_id into v_user_id from public.purchases as p where p.id = p_purchase_id;
    if not found then
        raise exception 'this purchase does not exist' using errcode = 'AP40P';
    end if;
    -- Refunds and disputes go on after the account is deleted; then there is nobody to take tokens from or give to.
    v_balance := private.lock_profile_if_any(v_user_id);
    if v_balance is not null then
        v_balance := private.expire_due_grants(v_user_id, v_balance);
    end if;
    select p.* into strict v_purchase from public.purchases as p where p.id = p_purchase_id for update;
    v_due := private.tokens_due(v_purchase);
    v_left := v_due - v_purchase.tokens_settled;
    v_waiting := v_purchase.tokens_undelivered;
    if v_balance is not null then
        -- An account of this id is there again: what waited for it is given now.
        v_left := v_left + v_waiting;
        v_purchase.tokens_undelivered := 0;
    end if;

    if v_left > 0 then
        -- What could not be taken back before is not given a second time.
        v_part := least(v_left, v_purchase.tokens_short);
        v_purchase.tokens_short := v_purchase.tokens_short - v_part;
        v_left := v_left - v_part;
    end if;
    if v_balance is null then
        -- Less due first takes back what was never given; only the rest is short. So never both, in any order of facts.
        v_part := greatest(v_left, -v_waiting);
        v_purchase.tokens_undelivered := v_waiting + v_part;
        v_purchase.tokens_short := v_purchase.tokens_short + v_part - v_left;
    elsif v_left > 0 then
        select g.id into v_grant_id from public.token_grants as g where g.key = 'purchase:' || p_purchase_id for update;
        if found then
            v_balance := private.move_tokens(
                v_user_id, 'reversal', v_left, v_grant_id,
                format('purchase:%s:%s', p_purchase_id, v_purchase.settlements + 1), null, p_purchase_id,
                p_payment_intent_id => v_purchase.payment_intent_id
            );
        else
            -- A payment first heard of after its partial refund still makes a lot of what is due.
            v_balance := private.add_grant(
                v_user_id, v_left, 'purchase', 'purchase', 'purchase:' || p_purchase_id, null, p_purchase_id,
                p_payment_intent_id => v_purchase.payment_intent_id
            );
        end if;
        v_moved := v_left;
    elsif v_left < 0 then
        v_type := case when v_purchase.dispute in ('open', 'lost') then 'dispute' else 'refund' end;
        v_left := -v_left;
        for v_lot in
            select g.id, g.remaining
            from public.token_grants as g
            where g.user_id = v_user_id and g.remaining > 0
            -- All locks in the order of ids, then the order of taking.
            order by g.id
            for update
        loop
            null;
        end loop;
        for v_lot in
            select g.id, g.remaining
            from public.token_grants as g
            where g.user_id = v_user_id and g.remaining > 0
            order by g.purchase_id = p_purchase_id desc nulls last, g.expires_at, g.id
        loop
            exit when v_left = 0;
            v_part := least(v_left, v_lot.remaining);
            v_balance := private.move_tokens(
                v_user_id, v_type, -v_part, v_lot.id,
                format('purchase:%s:%s:%s', p_purchase_id, v_purchase.settlements + 1, v_lot.id), null, p_purchase_id,
                p_payment_intent_id => v_purchase.payment_intent_id
            );
            v_left := v_left - v_part;
            v_moved := v_moved - v_part;
        end loop;
        v_purchase.tokens_short := v_purchase.tokens_short + v_left;
    end if;

    if v_due <> v_purchase.tokens_settled or v_waiting <> v_purchase.tokens_undelivered then
        update public.purchases as p set
            tokens_settled = v_due, tokens_short = v_purchase.tokens_short,
            tokens_undelivered = v_purchase.tokens_undelivered, settlements = p.settlements + 1, updated_at = now()
        where p.id = p_purchase_id;
    end if;
    if v_waiting <> v_purchase.tokens_undelivered then
        perform private.set_payment_flag(
            coalesce(v_purchase.payment_intent_id, p_purchase_id::text), 'account_deleted', p_purchase_id,
            v_purchase.tokens_undelivered > 0
        );
    end if;
    return query select v_due, v_moved, v_purchase.tokens_short, v_balance;
end;
$$;
comment on function public.settle_purchase(uuid) is
'Brings the ledger to what the facts of a purchase amount to; any order and repetition of facts converges. '
'Of a deleted account nothing is taken, it becomes shortfall; what is due to one is kept as undelivered and flagged. AP40P: no such purchase.';

create or replace function private.deliver_purchases() returns trigger
language plpgsql
-- Definer: fires in the transaction of the auth service, whose role holds no right on the ledger.
security definer
set search_path = ''
as $$
begin
    -- What is being written for nobody at this moment is waited for: see private.lock_profile_if_any.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(new.id::text, 0));
    perform public.settle_purchase(p.id) from public.purchases as p where p.user_id = new.id and p.tokens_undelivered > 0;
    return null;
end;
$$;
comment on function private.deliver_purchases() is 'Gives an account that was deleted and made again under its id what was paid meanwhile.';
-- After user_profiles_open_balance, by its name.
create or replace trigger user_profiles_open_purchases after insert on public.user_profiles
for each row execute function private.deliver_purchases();

create or replace function public.audit_ledger()
returns table (user_id uuid, fault text, detail text)
language sql stable security definer
set search_path = ''
as $$
    with people as (
        select p.id as user_id, p.tokens as balance from public.user_profiles as p
        union all
        -- The books of deleted accounts are still audited, without a balance to compare.
        select b.user_id, null::integer
        from (
            select g.user_id from public.token_grants as g
            union
            select t.user_id from public.transactions as t where t.balance_after is not null
        ) as b
        where not exists (select 1 from public.user_profiles as p where p.id = b.user_id)
    ), lots as (
        select g.user_id, sum(g.remaining) as tokens from public.token_grants as g group by g.user_id
    ), entries as (
        select t.seq, t.user_id, t.tokens, t.balance_after, t.grant_id, t.purchase_id,
            sum(t.tokens) over (partition by t.user_id order by t.seq) as running
        from public.transactions as t
        where t.balance_after is not null
    ), ledger as (
        select e.user_id, sum(e.tokens) as tokens from entries as e group by e.user_id
    ), lot_entries as (
        select e.grant_id, sum(e.tokens) as tokens from entries as e group by e.grant_id
    )
    select p.user_id, 'balance differs from lots', format('balance %s, lots %s', p.balance, coalesce(l.tokens, 0))
    from people as p left join lots as l on l.user_id = p.user_id
    where p.balance is not null and p.balance <> coalesce(l.tokens, 0)
    union all
    select p.user_id, 'lots differ from ledger', format('lots %s, ledger %s', coalesce(l.tokens, 0), coalesce(s.tokens, 0))
    from people as p left join lots as l on l.user_id = p.user_id left join ledger as s on s.user_id = p.user_id
    where coalesce(l.tokens, 0) <> coalesce(s.tokens, 0)
    union all
    select g.user_id, 'lot differs from its entries', format('lot %s holds %s, entries %s', g.id, g.remaining, coalesce(e.tokens, 0))
    from public.token_grants as g left join lot_entries as e on e.grant_id = g.id
    where g.remaining <> coalesce(e.tokens, 0)
    union all
    select e.user_id, 'entry names no lot of the person', format('entry %s names lot %s', e.seq, e.grant_id)
    from entries as e
    where not exists (select 1 from public.token_grants as g where g.id = e.grant_id and g.user_id = e.user_id)
    union all
    select e.user_id, 'balance chain broken', format('entry %s says %s, the chain %s', e.seq, e.balance_after, e.running)
    from entries as e where e.balance_after <> e.running
    union all
    select p.user_id, 'purchase not settled', format('purchase %s: due %s, settled %s', p.id, private.tokens_due(p), p.tokens_settled)
    from public.purchases as p where private.tokens_due(p) <> p.tokens_settled
    union all
    select p.user_id, 'purchase differs from its entries', format(
        'purchase %s: settled %s, entries %s, short %s, undelivered %s',
        p.id, p.tokens_settled, coalesce(e.tokens, 0), p.tokens_short, p.tokens_undelivered
    )
    from public.purchases as p
    left join (select e.purchase_id, sum(e.tokens) as tokens from entries as e where e.purchase_id is not null group by e.purchase_id) as e
        on e.purchase_id = p.id
    where p.tokens_settled <> coalesce(e.tokens, 0) - p.tokens_short + p.tokens_undelivered
    union all
    select p.user_id, 'purchase not delivered', format('purchase %s: %s tokens wait for an account that exists', p.id, p.tokens_undelivered)
    from public.purchases as p
    where p.tokens_undelivered > 0 and exists (select 1 from public.user_profiles as u where u.id = p.user_id)
$$;
comment on function public.audit_ledger() is
'No rows when, for every person, balance = lots = ledger, every balance_after chains and every purchase is settled to its facts.';

revoke all on function private.tokens_due(public.purchases) from public, anon, authenticated;
revoke all on function private.set_payment_flag(text, text, uuid, boolean) from public, anon, authenticated;
revoke all on function private.lock_profile_if_any(uuid) from public, anon, authenticated;
revoke all on function private.deliver_purchases() from public, anon, authenticated;
revoke all on function public.settle_purchase(uuid) from public, anon, authenticated;
revoke all on function public.audit_ledger() from public, anon, authenticated;
grant execute on function public.settle_purchase(uuid) to service_role;
grant execute on function public.audit_ledger() to service_role;
