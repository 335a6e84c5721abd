-- Checkout, the inbox of Stripe's events, and what reconciliation keeps. Every fact about a payment enters through
-- record_payment, whoever brings it. Lock order: user_profiles, the event's row, purchases, token_grants by id.

alter table public.purchases
add column if not exists livemode boolean not null default false,
add column if not exists checkout_attempt integer not null default 0,
add column if not exists checkout_expires_at timestamptz,
add column if not exists paid_at timestamptz,
add column if not exists failure_code text,
add column if not exists failed_at timestamptz,
add column if not exists checked_at timestamptz;
comment on column public.purchases.checkout_attempt is 'Part of the idempotency key at Stripe, which repeats a failure as faithfully as a success: raised where only a new key helps.';
comment on column public.purchases.failure_code is 'Why the last attempt to pay failed, in Stripe''s words; the person may try again while status is open.';
comment on column public.purchases.facts_observed_at is 'When the refunds and disputes of this payment began to be fetched, by this database''s clock.';
comment on column public.purchases.checked_at is 'When reconciliation last asked Stripe about this purchase while it was unpaid.';
comment on column public.purchases.flagged_reason is
'Why an operator must look: the newest open row of payment_flags. With status paid: a further payment was refused, the first one stands, or nobody '
'is there to have the tokens. Null with status flagged: all was given back or acknowledged, the person is told that this purchase is closed.';

-- Flags raised before they had a table.
insert into public.payment_flags (payment_intent_id, reason, purchase_id, raised_at)
select coalesce(p.payment_intent_id, p.id::text), p.flagged_reason, p.id, p.updated_at
from public.purchases as p
where p.flagged_reason is not null and not exists (select 1 from public.payment_flags as f where f.purchase_id = p.id)
on conflict (payment_intent_id) do nothing;

create index if not exists purchases_unpaid on public.purchases (checked_at nulls first, created_at) where status in ('created', 'open');
create index if not exists purchases_flagged on public.purchases (updated_at desc) where flagged_reason is not null;
create index if not exists stripe_events_by_status on public.stripe_events (status, received_at desc);

create table if not exists public.stripe_customers (
    -- Goes with the account: it names a person, and no book refers to it.
    user_id uuid primary key references public.user_profiles (id) on delete cascade,
    customer_id text,
    generation integer not null default 0,
    created_at timestamptz not null default now()
);
alter table public.stripe_customers add column if not exists email text;
comment on column public.stripe_customers.email is 'The address that Stripe was last told.';
alter table public.stripe_customers enable row level security;
revoke all on public.stripe_customers from anon, authenticated;
comment on table public.stripe_customers is 'Stripe''s customer of each person. generation is part of the idempotency key it is made with: raised to make another one.';

create table if not exists public.reconciliation_runs (
    id bigint generated always as identity primary key,
    is_full boolean not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    events_until timestamptz,
    report jsonb,
    error text
);
alter table public.reconciliation_runs enable row level security;
revoke all on public.reconciliation_runs from anon, authenticated;
revoke all on sequence public.reconciliation_runs_id_seq from anon, authenticated;
comment on table public.reconciliation_runs is 'Comparisons with Stripe. The next one reads the events since events_until of the last that finished.';

create or replace function public.begin_purchase(
    p_user_id uuid, p_purchase_id uuid, p_tier text, p_pack_tokens integer, p_price_minor integer, p_currency text,
    p_livemode boolean, p_limit integer, p_window_seconds integer
) returns table (
    pack_tokens integer, price_minor integer, currency text, checkout_url text, checkout_attempt integer,
    email text, customer_id text, customer_generation integer
)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_purchase public.purchases;
    v_recent integer;
    v_oldest timestamptz;
begin
    perform private.lock_profile(p_user_id);
    select p.* into v_purchase from public.purchases as p where p.id = p_purchase_id;
    if not found then
        select count(*), min(r.created_at) into v_recent, v_oldest
        from (
            select p.created_at from public.purchases as p
            where p.user_id = p_user_id and p.created_at > clock_timestamp() - make_interval(secs => p_window_seconds)
            order by p.created_at desc limit p_limit
        ) as r;
        if v_recent >= p_limit then
            raise exception 'too many purchases were begun' using errcode = 'AP429', detail = greatest(
                1, ceil(extract(epoch from v_oldest + make_interval(secs => p_window_seconds) - clock_timestamp()))
            )::integer::text;
        end if;
        insert into public.purchases (id, user_id, tier, pack_tokens, price_minor, currency, livemode)
        values (p_purchase_id, p_user_id, p_tier, p_pack_tokens, p_price_minor, p_currency, p_livemode)
        on conflict (id) do nothing;
        select p.* into strict v_purchase from public.purchases as p where p.id = p_purchase_id;
    end if;
    if v_purchase.user_id <> p_user_id then
        raise exception 'this purchase does not exist' using errcode = 'AP40P';
    end if;
    if v_purchase.tier <> p_tier or v_purchase.livemode <> p_livemode then
        raise exception 'this purchase is for another pack or mode' using errcode = 'AP40T';
    end if;
    if v_purchase.status not in ('created', 'open') or v_purchase.checkout_expires_at <= clock_timestamp() then
        raise exception 'this purchase is finished or expired' using errcode = 'AP40C';
    end if;
    return query
        select v_purchase.pack_tokens, v_purchase.price_minor, v_purchase.currency, v_purchase.checkout_url, v_purchase.checkout_attempt,
            u.email, c.customer_id, coalesce(c.generation, 0)
        from public.user_profiles as u
        left join public.stripe_customers as c on c.user_id = u.id
        where u.id = p_user_id;
end;
$$;
comment on function public.begin_purchase(uuid, uuid, text, integer, integer, text, boolean, integer, integer) is
'Makes a purchase or finds it again; what it costs is what it cost when it was made. AP401: no such account. AP40P: somebody else''s. '
'AP40T: begun for another tier, or with keys of Stripe''s other mode. AP40C: finished or expired. '
'AP429: too many new ones, DETAIL holds the seconds to wait.';

create or replace function public.record_payment(
    p_purchase_id uuid, p_user_id uuid, p_tier text, p_payment_intent_id text, p_amount_minor bigint, p_currency text,
    p_livemode boolean, p_paid_at timestamptz,
    p_refunded_minor bigint default null, p_dispute text default null, p_observed_at timestamptz default null
) returns table (refusal text, user_id uuid, tokens_moved integer)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_purchase public.purchases;
    v_is_known boolean;
    v_refusal text;
    v_reason text;
    -- Given back in full there is nothing left to decide; without an observation that is not known.
    v_is_open boolean := case when p_observed_at is not null then coalesce(p_refunded_minor, 0) < p_amount_minor end;
begin
    -- A payment that is known stays with its purchase, whatever somebody does to its metadata: the rule for all who call.
    select p.* into v_purchase from public.purchases as p
    where p.payment_intent_id = p_payment_intent_id or p.id = p_purchase_id
    order by p.payment_intent_id = p_payment_intent_id desc nulls last
    limit 1;
    if not found then
        perform private.set_payment_flag(p_payment_intent_id, 'unknown_purchase', null, v_is_open);
        return query select 'unknown_purchase'::text, null::uuid, 0;
        return;
    end if;
    -- Nobody need be there: what is due to a deleted account is kept as undelivered.
    perform private.lock_profile_if_any(v_purchase.user_id);
    select p.* into strict v_purchase from public.purchases as p where p.id = v_purchase.id for update;
    v_is_known := v_purchase.payment_intent_id is not distinct from p_payment_intent_id;

    if v_purchase.status <> 'paid' or not v_is_known then
        v_refusal := case
            when p_user_id is distinct from v_purchase.user_id then 'user_mismatch'
            -- Also where the purchase is paid: what to look at then is the keys, and no money of this mode came twice.
            when p_livemode is distinct from v_purchase.livemode then 'livemode_mismatch'
            -- What was credited stands: one payment too many is for an operator to give back.
            when v_purchase.status = 'paid' then 'second_payment'
            when p_tier is distinct from v_purchase.tier then 'tier_mismatch'
            when p_currency is distinct from v_purchase.currency then 'currency_mismatch'
            when p_amount_minor is distinct from v_purchase.price_minor then 'amount_mismatch'
        end;
        if v_refusal = 'user_mismatch' and not v_is_known then
            -- Metadata may name any purchase. Where they contradict themselves the payment is flagged, and no purchase of anybody.
            perform private.set_payment_flag(p_payment_intent_id, v_refusal, null, v_is_open);
            return query select v_refusal, null::uuid, 0;
            return;
        end if;
        if v_refusal is not null then
            update public.purchases as p set
                status = case when p.status = 'paid' then 'paid' else 'flagged' end,
                payment_intent_id = coalesce(p.payment_intent_id, p_payment_intent_id), updated_at = now()
            where p.id = v_purchase.id;
            perform private.set_payment_flag(p_payment_intent_id, v_refusal, v_purchase.id, v_is_open);
            return query select v_refusal, v_purchase.user_id, 0;
            return;
        end if;
        update public.purchases as p set
            status = 'paid', paid_minor = p_amount_minor, paid_at = p_paid_at, payment_intent_id = p_payment_intent_id,
            updated_at = now()
        where p.id = v_purchase.id;
        select f.reason into v_reason from public.payment_flags as f
        where f.payment_intent_id = p_payment_intent_id and f.closed_at is null;
        if found then
            -- Flagged before, and right now: nothing is left to decide.
            perform private.set_payment_flag(p_payment_intent_id, v_reason, v_purchase.id, false);
        end if;
    end if;
    -- Equal times are the same observation again; a later one may only be replaced by a later one still.
    update public.purchases as p set
        refunded_minor = p_refunded_minor, dispute = p_dispute, facts_observed_at = p_observed_at, updated_at = now()
    where p.id = v_purchase.id and p_observed_at >= coalesce(p.facts_observed_at, p_observed_at);
    return query
        select null::text, v_purchase.user_id, s.tokens_moved from public.settle_purchase(v_purchase.id) as s;
end;
$$;
comment on function public.record_payment(uuid, uuid, text, text, bigint, text, boolean, timestamptz, bigint, text, timestamptz) is
'The only way a payment becomes a fact: compares it with what was sold, stores it, and settles. With p_observed_at also its refunds and '
'dispute, unless something newer is known. refusal: why nothing was credited; the payment is then flagged. Any order and repetition converges. '
'A known payment belongs to the purchase that knows it; p_purchase_id, p_user_id and p_tier are what its metadata claim.';

create or replace function public.acknowledge_payment_flag(p_payment_intent_id text, p_admin_id uuid, p_note text)
returns setof public.payment_flags
language plpgsql security definer
set search_path = ''
as $$
declare
    v_flag public.payment_flags;
begin
    if p_admin_id is null then
        raise exception 'An operator acknowledges a flag; none was given.' using errcode = 'null_value_not_allowed';
    end if;
    select f.* into v_flag from public.payment_flags as f where f.payment_intent_id = p_payment_intent_id;
    -- The order of record_payment: the purchase, then its flags.
    perform from public.purchases as p where p.id = v_flag.purchase_id for update;
    -- Who was first stays recorded.
    update public.payment_flags as f set
        closed_at = clock_timestamp(), acknowledged_by = p_admin_id, note = nullif(btrim(p_note), '')
    where f.payment_intent_id = p_payment_intent_id and f.acknowledged_by is null;
    update public.purchases as p set
        flagged_reason = (
            select f.reason from public.payment_flags as f
            where f.purchase_id = p.id and f.closed_at is null
            order by f.raised_at desc, f.payment_intent_id limit 1
        ),
        updated_at = now()
    where p.id = v_flag.purchase_id;
    return query select f.* from public.payment_flags as f where f.payment_intent_id = p_payment_intent_id;
end;
$$;
comment on function public.acknowledge_payment_flag(text, uuid, text) is
'An operator has dealt with a flagged payment: recorded with who and when, once; it is not raised again. No row: there is no such flag.';

create or replace function public.flag_unknown_payment(p_purchase_id uuid, p_payment_intent_id text, p_is_unknown boolean) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
    v_reason constant text := 'payment_unknown_to_stripe';
    v_is_undelivered boolean;
begin
    -- The order of record_payment: the purchase, then its flags.
    select p.tokens_undelivered > 0 into v_is_undelivered from public.purchases as p
    where p.id = p_purchase_id and p.payment_intent_id = p_payment_intent_id
    for update;
    if found and p_is_unknown then
        perform private.set_payment_flag(p_payment_intent_id, v_reason, p_purchase_id, true);
    elsif found and exists (
        select from public.payment_flags as f
        where f.payment_intent_id = p_payment_intent_id and f.reason = v_reason and f.closed_at is null
    ) then
        -- A payment has one flag: what else an operator must know about it is said again.
        perform private.set_payment_flag(
            p_payment_intent_id, case when v_is_undelivered then 'account_deleted' else v_reason end, p_purchase_id, v_is_undelivered
        );
    end if;
    return exists (
        select from public.payment_flags as f
        where f.payment_intent_id = p_payment_intent_id and f.acknowledged_by is not null
    );
end;
$$;
comment on function public.flag_unknown_payment(uuid, text, boolean) is
'Flags the payment that a purchase was paid with and that Stripe does not know, or closes that flag where it does. True: an operator has acknowledged it.';

create or replace function public.record_payment_failure(p_purchase_id uuid, p_code text, p_failed_at timestamptz) returns void
language sql security definer
set search_path = ''
as $$
    update public.purchases as p set failure_code = left(p_code, 100), failed_at = p_failed_at, updated_at = now()
    where p.id = p_purchase_id and p.status in ('created', 'open') and p_failed_at > coalesce(p.failed_at, '-infinity')
$$;
comment on function public.record_payment_failure(uuid, text, timestamptz) is
'Remembers why the last attempt to pay failed; the purchase stays open.';

create or replace function public.close_purchase(p_purchase_id uuid, p_checkout_session_id text, p_status text) returns void
language sql security definer
set search_path = ''
as $$
    update public.purchases as p set status = p_status, updated_at = now()
    where p.id = p_purchase_id and p.status in ('created', 'open', 'failed')
    and p_status in ('expired', 'failed')
    and coalesce(p.checkout_session_id, p_checkout_session_id) is not distinct from p_checkout_session_id
$$;
comment on function public.close_purchase(uuid, text, text) is
'Ends an unpaid purchase whose checkout session expired or failed for good. A payment that arrives later still counts.';

create or replace function private.person_of_event(p_payload jsonb) returns uuid
language plpgsql stable
set search_path = ''
as $$
declare
    v_object jsonb := p_payload #> '{data,object}';
    v_user_id text := v_object #>> '{metadata,user_id}';
begin
    return coalesce(
        (
            select p.user_id from public.purchases as p
            where p.payment_intent_id = coalesce(v_object ->> 'payment_intent', v_object ->> 'id')
        ),
        case when v_user_id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then v_user_id::uuid end
    );
end;
$$;
comment on function private.person_of_event(jsonb) is 'Whom an event of Stripe is about, by its payment or by our metadata; null: nobody of ours.';

create or replace function private.without_person(p_value jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
    return case jsonb_typeof(p_value)
        when 'object' then coalesce((
            select jsonb_object_agg(e.key, private.without_person(e.value))
            from jsonb_each(p_value) as e
            -- What the books are made of. A list of what to keep: Stripe adds fields without asking.
            where e.key in (
                'id', 'object', 'type', 'created', 'livemode', 'api_version', 'account', 'data', 'metadata',
                'app', 'env', 'kind', 'purchase_id', 'user_id', 'tier',
                'amount', 'amount_received', 'amount_captured', 'amount_refunded', 'amount_total', 'currency', 'status',
                'payment_intent', 'charge', 'latest_charge', 'captured', 'paid', 'refunded', 'disputed', 'payment_status',
                'mode', 'expires_at', 'last_payment_error', 'code', 'decline_code', 'reason', 'failure_reason'
            )
        ), '{}')
        when 'array' then coalesce((select jsonb_agg(private.without_person(e.value)) from jsonb_array_elements(p_value) as e), '[]')
        else p_value
    end;
end;
$$;
comment on function private.without_person(jsonb) is
'An event of Stripe with what the books are made of and nothing else: no name, address, card or network address. It can still be applied.';

-- Whose event it is, so that what it holds about a person can go with the account.
do $$
begin
    if not exists (
        select 1 from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.stripe_events'::regclass and a.attname = 'user_id' and not a.attisdropped
    ) then
        alter table public.stripe_events add column user_id uuid, add column attempted_at timestamptz not null default now();
        update public.stripe_events as e set user_id = private.person_of_event(e.payload), attempted_at = e.received_at;
        update public.stripe_events as e set payload = private.without_person(e.payload)
        where e.user_id is not null and not exists (select 1 from public.user_profiles as u where u.id = e.user_id);
    end if;
end;
$$;
create index if not exists stripe_events_user on public.stripe_events (user_id);
create index if not exists stripe_events_to_repeat on public.stripe_events (attempted_at, id) where status in ('received', 'failed');
comment on column public.stripe_events.user_id is 'The person whom the event is about. Without an account, payload holds no more than private.without_person leaves.';
comment on column public.stripe_events.attempted_at is 'When it was last applied or tried: what failed is tried again in this order.';

create or replace function private.forget_person() returns trigger
language plpgsql
-- Definer: fires in the transaction of the auth service, whose role holds no right on the inbox.
security definer
set search_path = ''
as $$
begin
    update public.stripe_events as e set payload = private.without_person(e.payload) where e.user_id = old.id;
    return null;
end;
$$;
comment on function private.forget_person() is 'Takes names, addresses and cards out of the events of an account that is deleted; the books stay.';
create or replace trigger user_profiles_forget_person after delete on public.user_profiles
for each row execute function private.forget_person();

create or replace function public.apply_stripe_event(
    p_id text, p_type text, p_livemode boolean, p_api_version text, p_created_at timestamptz, p_payload jsonb,
    p_action text, p_facts jsonb, p_again boolean default false
) returns table (status text, error text, is_repeat boolean, user_id uuid, tokens_moved integer)
language plpgsql security definer
set search_path = ''
as $$
declare
    v_status text;
    v_error text;
    v_user_id uuid;
    -- A dispute names nobody: whose payment it is, the facts fetched for it may be the first to say.
    v_person uuid := coalesce(private.person_of_event(p_payload), (p_facts ->> 'user_id')::uuid);
    v_is_gone boolean;
    v_moved integer := 0;
    v_constraint text;
begin
    -- Key share, before the event's row: an account that is deleted meanwhile waits, and then finds this row.
    perform from public.user_profiles as u where u.id = v_person for key share;
    v_is_gone := v_person is not null and not found;
    insert into public.stripe_events as e (id, type, livemode, api_version, created_at, payload, attempts, attempted_at)
    values (p_id, p_type, p_livemode, p_api_version, p_created_at, p_payload, 1, clock_timestamp())
    on conflict (id) do update set attempts = e.attempts + 1, attempted_at = excluded.attempted_at
    returning e.status, e.error into v_status, v_error;
    -- Locked until the commit: another delivery of this event waits here and then finds what this one did.
    if v_status in ('applied', 'ignored', 'flagged') and not p_again then
        return query select v_status, v_error, true, null::uuid, 0;
        return;
    end if;
    v_status := 'applied';
    v_error := null;
    -- A block with an exception handler is a savepoint: the event is kept whatever its effect meets.
    begin
        case p_action
            when 'payment' then
                select r.refusal, r.user_id, r.tokens_moved into v_error, v_user_id, v_moved
                from public.record_payment(
                    (p_facts ->> 'purchase_id')::uuid, (p_facts ->> 'user_id')::uuid, p_facts ->> 'tier',
                    p_facts ->> 'payment_intent_id', (p_facts ->> 'amount_minor')::bigint, p_facts ->> 'currency',
                    (p_facts ->> 'livemode')::boolean, (p_facts ->> 'paid_at')::timestamptz,
                    (p_facts ->> 'refunded_minor')::bigint, p_facts ->> 'dispute', (p_facts ->> 'observed_at')::timestamptz
                ) as r;
                if v_error is null and exists (
                    select 1 from public.purchases as p
                    where p.payment_intent_id = p_facts ->> 'payment_intent_id' and p.tokens_undelivered > 0
                ) then
                    v_error := 'account_deleted';
                end if;
                if v_error is not null then
                    v_status := 'flagged';
                end if;
            when 'failure' then
                perform public.record_payment_failure((p_facts ->> 'purchase_id')::uuid, p_facts ->> 'code', p_created_at);
            when 'close' then
                perform public.close_purchase(
                    (p_facts ->> 'purchase_id')::uuid, p_facts ->> 'checkout_session_id', p_facts ->> 'status'
                );
            when 'none' then
                null;
            when 'ignore' then
                v_status := 'ignored';
            when 'flag' then
                v_status := 'flagged';
                v_error := p_facts ->> 'error';
            when 'fail' then
                v_status := 'failed';
                v_error := p_facts ->> 'error';
        end case;
    exception when others then
        -- Its kind only: texts of errors hold what was refused.
        get stacked diagnostics v_constraint = constraint_name;
        v_status := 'failed';
        v_error := concat_ws(' ', sqlstate, nullif(v_constraint, ''));
        v_user_id := null;
        v_moved := 0;
    end;
    update public.stripe_events as e set
        status = v_status, error = v_error, user_id = coalesce(v_person, v_user_id),
        applied_at = case when v_status = 'failed' then null else clock_timestamp() end
    where e.id = p_id;
    if v_is_gone then
        update public.stripe_events as e set payload = private.without_person(e.payload) where e.id = p_id;
    end if;
    return query select v_status, v_error, false, v_user_id, v_moved;
end;
$$;
comment on function public.apply_stripe_event(text, text, boolean, text, timestamptz, jsonb, text, jsonb, boolean) is
'Stores an event and applies it in a savepoint, once: applied, ignored and flagged are final unless p_again. failed: may be sent again. '
'p_action: payment, failure, close, none, ignore, flag, fail; p_facts: what the action needs.';

create or replace function public.acquire_job_lease(p_name text, p_holder uuid, p_seconds integer) returns boolean
language plpgsql security definer
set search_path = ''
as $$
begin
    insert into public.job_leases as l (name, holder, expires_at)
    values (p_name, p_holder, clock_timestamp() + make_interval(secs => p_seconds))
    on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
    where l.holder = excluded.holder or l.expires_at <= clock_timestamp();
    return found;
end;
$$;
comment on function public.acquire_job_lease(text, uuid, integer) is 'Takes or renews the lease of a periodic job; false: another replica holds it.';

revoke all on function public.begin_purchase(uuid, uuid, text, integer, integer, text, boolean, integer, integer) from public, anon, authenticated;
revoke all on function public.record_payment(uuid, uuid, text, text, bigint, text, boolean, timestamptz, bigint, text, timestamptz) from public, anon, authenticated;
revoke all on function public.acknowledge_payment_flag(text, uuid, text) from public, anon, authenticated;
revoke all on function public.flag_unknown_payment(uuid, text, boolean) from public, anon, authenticated;
revoke all on function private.person_of_event(jsonb) from public, anon, authenticated;
revoke all on function private.without_person(jsonb) from public, anon, authenticated;
revoke all on function private.forget_person() from public, anon, authenticated;
revoke all on function public.record_payment_failure(uuid, text, timestamptz) from public, anon, authenticated;
revoke all on function public.close_purchase(uuid, text, text) from public, anon, authenticated;
revoke all on function public.apply_stripe_event(text, text, boolean, text, timestamptz, jsonb, text, jsonb, boolean) from public, anon, authenticated;
revoke all on function public.acquire_job_lease(text, uuid, integer) from public, anon, authenticated;
grant execute on function public.begin_purchase(uuid, uuid, text, integer, integer, text, boolean, integer, integer) to service_role;
grant execute on function public.record_payment(uuid, uuid, text, text, bigint, text, boolean, timestamptz, bigint, text, timestamptz) to service_role;
grant execute on function public.acknowledge_payment_flag(text, uuid, text) to service_role;
grant execute on function public.flag_unknown_payment(uuid, text, boolean) to service_role;
grant execute on function public.record_payment_failure(uuid, text, timestamptz) to service_role;
grant execute on function public.close_purchase(uuid, text, text) to service_role;
grant execute on function public.apply_stripe_event(text, text, boolean, text, timestamptz, jsonb, text, jsonb, boolean) to service_role;
grant execute on function public.acquire_job_lease(text, uuid, integer) to service_role;
