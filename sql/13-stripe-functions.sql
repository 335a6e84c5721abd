-- The ledger. These functions are the only writers of balances, lots and transactions. Each is an act:
-- lock the profile, check whether it already happened, refuse, write.
-- Lock order everywhere: user_profiles, then requests or purchases, then token_grants by id.

-- Internal: the three writes that every movement consists of. The caller holds the profile's lock.
create or replace function private.move_tokens(
    p_user_id uuid,
    p_type text,
    p_tokens integer,
    p_grant_id bigint,
    p_key text,
    p_request_id uuid default null,
    p_purchase_id uuid default null,
    p_event_id text default null,
    p_payment_intent_id text default null,
    p_metadata jsonb default '{}'
) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_balance integer;
begin
    update public.token_grants set remaining = remaining + p_tokens where id = p_grant_id;
    update public.user_profiles set tokens = tokens + p_tokens where id = p_user_id returning tokens into strict v_balance;
    insert into public.transactions (
        user_id, transaction_type, tokens, balance_after, grant_id, key, request_id, purchase_id,
        stripe_event_id, stripe_payment_intent_id, metadata
    )
    values (
        p_user_id, p_type, p_tokens, v_balance, p_grant_id, p_key, p_request_id, p_purchase_id,
        p_event_id, p_payment_intent_id, p_metadata
    );
    return v_balance;
end;
$$;
comment on function private.move_tokens(uuid, text, integer, bigint, text, uuid, uuid, text, text, jsonb) is
'Writes lot, balance and ledger row of one movement; returns the new balance. The caller holds the profile''s lock.';

create or replace function private.lock_profile(p_user_id uuid) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_balance integer;
begin
    -- No key update: rows that reference the profile may be inserted meanwhile.
    select p.tokens into v_balance from public.user_profiles as p where p.id = p_user_id for no key update;
    if not found then
        raise exception 'this account does not exist' using errcode = 'AP401';
    end if;
    return v_balance;
end;
$$;
comment on function private.lock_profile(uuid) is
'Takes the lock that every movement of a person''s tokens happens under; returns the balance. AP401: no such account.';

create or replace function private.expire_due_grants(p_user_id uuid, p_balance integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_lot record;
    v_balance integer := p_balance;
begin
    for v_lot in
        select g.id, g.remaining
        from public.token_grants as g
        where g.user_id = p_user_id and g.expires_at <= clock_timestamp() and g.remaining > 0
        order by g.id
        for update
    loop
        -- A lot can expire again, when a release went back to it after it was due.
        v_balance := private.move_tokens(
            p_user_id, 'expiry', -v_lot.remaining, v_lot.id,
            format('expiry:%s:%s', v_lot.id, (
                select count(*) from public.transactions as t
                where t.user_id = p_user_id and t.grant_id = v_lot.id and t.transaction_type = 'expiry'
            ))
        );
    end loop;
    return v_balance;
end;
$$;
comment on function private.expire_due_grants(uuid, integer) is
'Takes what is left in lots past their date; returns the balance. The caller holds the profile''s lock and passes the balance.';

create or replace function private.add_grant(
    p_user_id uuid, p_tokens integer, p_source text, p_type text, p_key text,
    p_expires_at timestamptz default null, p_purchase_id uuid default null,
    p_event_id text default null, p_payment_intent_id text default null, p_metadata jsonb default '{}'
) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_grant_id bigint;
begin
    insert into public.token_grants (user_id, source, amount, remaining, expires_at, purchase_id, key)
    values (p_user_id, p_source, p_tokens, 0, p_expires_at, p_purchase_id, p_key)
    returning id into v_grant_id;
    return private.move_tokens(
        p_user_id, p_type, p_tokens, v_grant_id, p_key, null, p_purchase_id, p_event_id, p_payment_intent_id, p_metadata
    );
end;
$$;
comment on function private.add_grant(uuid, integer, text, text, text, timestamptz, uuid, text, text, jsonb) is
'Adds one lot and its ledger row; returns the balance. The caller holds the profile''s lock and has checked the key.';

-- Internal: takes one token from the lot that expires first; returns the lot, or null when none holds a token.
create or replace function private.take_token(p_user_id uuid, p_key text, p_request_id uuid, out grant_id bigint, out balance integer)
language plpgsql
set search_path = ''
as $$
begin
    select g.id into grant_id
    from public.token_grants as g
    where g.user_id = p_user_id and g.remaining > 0 and (g.expires_at is null or g.expires_at > clock_timestamp())
    order by g.expires_at, g.id
    limit 1
    for update;
    if grant_id is not null then
        balance := private.move_tokens(p_user_id, 'consumption', -1, grant_id, p_key, p_request_id);
    end if;
end;
$$;
comment on function private.take_token(uuid, text, uuid) is
'Takes one token from the lot that expires first; grant_id is null when none holds one. The caller holds the profile''s lock.';

create or replace function private.grant_signup_bonus() returns trigger
language plpgsql
-- Definer: fires in the transaction of the auth service, whose role holds no right on the ledger.
security definer
set search_path = ''
as $$
declare
    v_bonus integer := coalesce((
        select (s.value #>> '{}')::integer from public.app_settings as s
        where s.key = 'signup_bonus_tokens' and s.value #>> '{}' ~ '^\d{1,6}$'
    ), 0);
    v_key text := 'signup_bonus:' || new.id;
begin
    -- An account deleted and restored under its id keeps what the books already say.
    if v_bonus > 0 and not exists (select 1 from public.token_grants as g where g.key = v_key) then
        perform private.lock_profile(new.id);
        perform private.add_grant(new.id, v_bonus, 'signup_bonus', 'signup_bonus', v_key);
    end if;
    return null;
end;
$$;
comment on function private.grant_signup_bonus() is 'Gives a new profile the bonus of app_settings, once.';
create or replace trigger user_profiles_signup_bonus after insert on public.user_profiles
for each row execute function private.grant_signup_bonus();

create or replace function public.current_balance(p_user_id uuid) returns integer
language plpgsql
-- Definer: the ledger's tables are closed to every caller; so in all functions below.
security definer
set search_path = ''
as $$
declare
    v_balance integer;
begin
    -- The lock is needed only when something is due; reading a balance must not wait behind a turn.
    if exists (
        select 1 from public.token_grants as g
        where g.user_id = p_user_id and g.expires_at <= clock_timestamp() and g.remaining > 0
    ) then
        return private.expire_due_grants(p_user_id, private.lock_profile(p_user_id));
    end if;
    select p.tokens into v_balance from public.user_profiles as p where p.id = p_user_id;
    if not found then
        raise exception 'this account does not exist' using errcode = 'AP401';
    end if;
    return v_balance;
end;
$$;
comment on function public.current_balance(uuid) is 'Spendable tokens, after expiry of due lots. AP401: no such account.';

create or replace function public.grant_tokens(
    p_user_id uuid, p_tokens integer, p_source text, p_key text,
    p_expires_at timestamptz default null, p_metadata jsonb default '{}'
) returns table (balance integer, replayed boolean)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_balance integer;
begin
    v_balance := private.expire_due_grants(p_user_id, private.lock_profile(p_user_id));
    if exists (select 1 from public.token_grants as g where g.key = p_key) then
        return query select v_balance, true;
        return;
    end if;
    if p_tokens is null or p_tokens <= 0 then
        raise exception 'a grant is a positive number of tokens' using errcode = 'AP422';
    end if;
    if p_expires_at <= clock_timestamp() then
        raise exception 'a grant cannot be expired when it is given' using errcode = 'AP422';
    end if;
    return query select
        private.add_grant(
            p_user_id, p_tokens, p_source, case when p_source = 'adjustment' then 'adjustment' else 'grant' end, p_key,
            p_expires_at, p_metadata => p_metadata
        ),
        false;
end;
$$;
comment on function public.grant_tokens(uuid, integer, text, text, timestamptz, jsonb) is
'Adds one lot, once per key. AP401: no such account. AP422: not a positive number, or expired already.';

create or replace function public.deduct_token_if_sufficient(p_user_id uuid)
returns table (success boolean, remaining_tokens integer, error_message text)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_balance integer;
    v_taken record;
begin
    v_balance := private.expire_due_grants(p_user_id, private.lock_profile(p_user_id));
    select * into v_taken from private.take_token(p_user_id, 'deduction:' || gen_random_uuid(), null);
    if v_taken.grant_id is null then
        return query select false, v_balance, 'Insufficient tokens'::text;
    else
        return query select true, v_taken.balance, null::text;
    end if;
exception when sqlstate 'AP401' then
    return query select false, 0, 'User not found'::text;
end;
$$;
comment on function public.deduct_token_if_sufficient(uuid) is
'Takes one token outside a chat turn; kept for callers of earlier versions. Not repeatable: it has no key.';

create or replace function public.grant_tokens_for_purchase(
    p_user_id uuid, p_tokens integer, p_event_id text, p_payment_intent_id text
) returns table (success boolean, new_balance integer, error_message text)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_balance integer;
begin
    v_balance := private.expire_due_grants(p_user_id, private.lock_profile(p_user_id));
    if p_tokens is null or p_tokens <= 0 or coalesce(p_event_id, '') = '' then
        return query select false, v_balance, 'A purchase grants a positive number of tokens and names its event'::text;
        return;
    end if;
    -- One credit per payment: Stripe may tell of one payment in several events.
    if exists (
        select 1 from public.transactions as t
        where t.stripe_event_id = p_event_id
        or (t.transaction_type = 'purchase' and t.stripe_payment_intent_id = p_payment_intent_id)
    ) then
        return query select true, v_balance, 'Already processed'::text;
        return;
    end if;
    return query select true, private.add_grant(
        p_user_id, p_tokens, 'purchase', 'purchase', 'stripe_event:' || p_event_id,
        p_event_id => p_event_id, p_payment_intent_id => p_payment_intent_id
    ), null::text;
exception when sqlstate 'AP401' then
    return query select false, 0, 'User not found'::text;
end;
$$;
comment on function public.grant_tokens_for_purchase(uuid, integer, text, text) is
'Credits a payment once; kept for callers of earlier versions. New code records facts and calls settle_purchase.';
create index if not exists transactions_payment_intent on public.transactions (stripe_payment_intent_id);

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
    v_moved integer := 0;
    v_type text;
    v_lot record;
    v_grant_id bigint;
begin
    select p.user_id into v_user_id from public.purchases as p where p.id = p_purchase_id;
    if not found then
        raise exception 'this purchase does not exist' using errcode = 'AP404';
    end if;
    v_balance := private.expire_due_grants(v_user_id, private.lock_profile(v_user_id));
    select * into strict v_purchase from public.purchases as p where p.id = p_purchase_id for update;
    v_due := private.tokens_due(v_purchase);
    v_left := v_due - v_purchase.tokens_settled;

    if v_left > 0 then
        -- What could not be taken back before is not given a second time.
        v_part := least(v_left, v_purchase.tokens_short);
        v_purchase.tokens_short := v_purchase.tokens_short - v_part;
        v_left := v_left - v_part;
    end if;
    if v_left > 0 then
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

    if v_due <> v_purchase.tokens_settled then
        update public.purchases as p set
            tokens_settled = v_due, tokens_short = v_purchase.tokens_short, settlements = p.settlements + 1, updated_at = now()
        where p.id = p_purchase_id;
    end if;
    return query select v_due, v_moved, v_purchase.tokens_short, v_balance;
end;
$$;
comment on function public.settle_purchase(uuid) is
'Brings the ledger to what the facts of a purchase amount to; any order and repetition of facts converges. AP404: unknown.';

create or replace function public.audit_ledger()
returns table (user_id uuid, fault text, detail text)
language sql stable security definer
set search_path = ''
as $$
    with people as (
        select p.id as user_id, p.tokens as balance from public.user_profiles as p
        union all
        -- The books of deleted accounts are still audited, without a balance to compare.
        select distinct g.user_id, null::integer from public.token_grants as g
        where not exists (select 1 from public.user_profiles as p where p.id = g.user_id)
    ), lots as (
        select g.user_id, sum(g.remaining) as tokens from public.token_grants as g group by g.user_id
    ), entries as (
        select t.*, sum(t.tokens) over (partition by t.user_id order by t.seq) as running
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
    select e.user_id, 'balance chain broken', format('entry %s says %s, the chain %s', e.seq, e.balance_after, e.running)
    from entries as e where e.balance_after <> e.running
    union all
    select p.user_id, 'purchase not settled', format('purchase %s: due %s, settled %s', p.id, private.tokens_due(p), p.tokens_settled)
    from public.purchases as p where private.tokens_due(p) <> p.tokens_settled
    union all
    select p.user_id, 'purchase differs from its entries', format('purchase %s: settled %s, entries %s, short %s', p.id, p.tokens_settled, coalesce(e.tokens, 0), p.tokens_short)
    from public.purchases as p
    left join (select e.purchase_id, sum(e.tokens) as tokens from entries as e where e.purchase_id is not null group by e.purchase_id) as e
        on e.purchase_id = p.id
    where p.tokens_settled <> coalesce(e.tokens, 0) - p.tokens_short
$$;
comment on function public.audit_ledger() is
'No rows when, for every person, balance = lots = ledger, every balance_after chains and every purchase is settled to its facts.';

-- Closed to everybody but the services: whatever the amount's sign, a browser's key moves no token.
revoke all on function private.move_tokens(uuid, text, integer, bigint, text, uuid, uuid, text, text, jsonb) from public, anon, authenticated;
revoke all on function private.lock_profile(uuid) from public, anon, authenticated;
revoke all on function private.expire_due_grants(uuid, integer) from public, anon, authenticated;
revoke all on function private.add_grant(uuid, integer, text, text, text, timestamptz, uuid, text, text, jsonb) from public, anon, authenticated;
revoke all on function private.take_token(uuid, text, uuid) from public, anon, authenticated;
revoke all on function private.grant_signup_bonus() from public, anon, authenticated;
revoke all on function private.tokens_due(public.purchases) from public, anon, authenticated;
revoke all on function public.current_balance(uuid) from public, anon, authenticated;
revoke all on function public.grant_tokens(uuid, integer, text, text, timestamptz, jsonb) from public, anon, authenticated;
revoke all on function public.deduct_token_if_sufficient(uuid) from public, anon, authenticated;
revoke all on function public.grant_tokens_for_purchase(uuid, integer, text, text) from public, anon, authenticated;
revoke all on function public.settle_purchase(uuid) from public, anon, authenticated;
revoke all on function public.audit_ledger() from public, anon, authenticated;
grant execute on function public.current_balance(uuid) to service_role;
grant execute on function public.grant_tokens(uuid, integer, text, text, timestamptz, jsonb) to service_role;
grant execute on function public.deduct_token_if_sufficient(uuid) to service_role;
grant execute on function public.grant_tokens_for_purchase(uuid, integer, text, text) to service_role;
grant execute on function public.settle_purchase(uuid) to service_role;
grant execute on function public.audit_ledger() to service_role;
