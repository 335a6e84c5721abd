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
    update public.token_grants set remaining = remaining + p_tokens where id = p_grant_id and user_id = p_user_id;
    assert found, 'a movement names a lot of the person';
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

create or replace function private.next_lot(p_user_id uuid) returns bigint
language plpgsql
set search_path = ''
as $$
begin
    return (
        select g.id
        from public.token_grants as g
        where g.user_id = p_user_id and g.remaining > 0 and (g.expires_at is null or g.expires_at > clock_timestamp())
        order by g.expires_at, g.id
        limit 1
        for update
    );
end;
$$;
comment on function private.next_lot(uuid) is
'The lot that a debit takes from: of those that hold a token, the one that expires first; null when there is none. '
'The caller holds the profile''s lock.';

create or replace function private.open_balance() returns trigger
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
    v_lots bigint := (select sum(g.remaining) from public.token_grants as g where g.user_id = new.id);
begin
    if v_lots is not null then
        -- An account deleted and restored under its id has what the books say, and no second bonus.
        update public.user_profiles set tokens = v_lots where id = new.id;
    elsif v_bonus > 0 then
        perform private.lock_profile(new.id);
        perform private.add_grant(new.id, v_bonus, 'signup_bonus', 'signup_bonus', 'signup_bonus:' || new.id);
    end if;
    return null;
end;
$$;
comment on function private.open_balance() is 'Gives a new profile the bonus of app_settings, or the balance that an account of its id left behind.';
create or replace trigger user_profiles_open_balance after insert on public.user_profiles
for each row execute function private.open_balance();

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

do $$
begin
    perform private.drop_functions('deduct_token_if_sufficient');
    perform private.drop_functions('grant_tokens_for_purchase');
end;
$$;

create or replace function public.deduct_token_if_sufficient(p_user_id uuid)
returns table (success boolean, remaining_tokens integer, error_message text)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_balance integer;
    v_grant_id bigint;
begin
    v_balance := private.expire_due_grants(p_user_id, private.lock_profile(p_user_id));
    v_grant_id := private.next_lot(p_user_id);
    if v_grant_id is null then
        return query select false, v_balance, 'Insufficient tokens'::text;
    else
        v_balance := private.move_tokens(p_user_id, 'consumption', -1, v_grant_id, 'deduction:' || gen_random_uuid());
        return query select true, v_balance, null::text;
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

-- Closed to everybody but the services: whatever the amount's sign, a browser's key moves no token.
revoke all on function private.move_tokens(uuid, text, integer, bigint, text, uuid, uuid, text, text, jsonb) from public, anon, authenticated;
revoke all on function private.lock_profile(uuid) from public, anon, authenticated;
revoke all on function private.expire_due_grants(uuid, integer) from public, anon, authenticated;
revoke all on function private.add_grant(uuid, integer, text, text, text, timestamptz, uuid, text, text, jsonb) from public, anon, authenticated;
revoke all on function private.next_lot(uuid) from public, anon, authenticated;
revoke all on function private.open_balance() from public, anon, authenticated;
revoke all on function public.current_balance(uuid) from public, anon, authenticated;
revoke all on function public.grant_tokens(uuid, integer, text, text, timestamptz, jsonb) from public, anon, authenticated;
revoke all on function public.deduct_token_if_sufficient(uuid) from public, anon, authenticated;
revoke all on function public.grant_tokens_for_purchase(uuid, integer, text, text) from public, anon, authenticated;
grant execute on function public.current_balance(uuid) to service_role;
grant execute on function public.grant_tokens(uuid, integer, text, text, timestamptz, jsonb) to service_role;
grant execute on function public.deduct_token_if_sufficient(uuid) to service_role;
grant execute on function public.grant_tokens_for_purchase(uuid, integer, text, text) to service_role;
