-- The append-only ledger, the facts about each payment, and the inbox of Stripe events.

create table if not exists public.transactions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null,
    transaction_type text not null,
    amount integer,
    tokens integer not null,
    stripe_payment_intent_id text,
    stripe_event_id text,
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now()
);
alter table public.transactions enable row level security;
revoke all on public.transactions from anon, authenticated, service_role;
grant select on public.transactions to service_role;

-- Rows of earlier versions stay readable as they are: their columns are widened, and what they refuse is dropped.
do $$
declare
    v_constraint name;
begin
    for v_constraint in
        select c.conname from pg_catalog.pg_constraint as c
        where c.conrelid = 'public.transactions'::regclass and c.contype in ('c', 'f')
    loop
        execute format('alter table public.transactions drop constraint %I', v_constraint);
    end loop;
    perform private.drop_policies('public.transactions');
    perform private.conform_column('public.transactions', 'user_id', 'uuid', null, true);
    perform private.conform_column('public.transactions', 'transaction_type', 'text', null, true);
    perform private.conform_column('public.transactions', 'tokens', 'integer', null, true);
    perform private.conform_column('public.transactions', 'stripe_payment_intent_id', 'text');
    perform private.conform_column('public.transactions', 'stripe_event_id', 'text');
    perform private.conform_column('public.transactions', 'metadata', 'jsonb', '''{}''', true);
    perform private.conform_column('public.transactions', 'created_at', 'timestamp with time zone', 'now()', true);
end;
$$;
alter table public.transactions
add column if not exists amount integer,
add column if not exists seq bigint generated always as identity,
add column if not exists balance_after integer,
add column if not exists grant_id bigint,
add column if not exists request_id uuid,
add column if not exists purchase_id uuid,
add column if not exists key text,
-- The type of an older amount stays: whether it counts cents or dollars, only its owner knows.
alter column amount drop not null,
alter column amount drop default;

-- A number for an id becomes a uuid; the number goes into the metadata.
do $$
declare
    v_sequence text := pg_catalog.pg_get_serial_sequence('public.transactions', 'id');
begin
    if (
        select a.atttypid <> 'uuid'::regtype from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.transactions'::regclass and a.attname = 'id'
    ) then
        update public.transactions set metadata = metadata || jsonb_build_object('earlier_id', id);
        alter table public.transactions alter column id drop identity if exists, alter column id drop default;
        if v_sequence is not null then
            execute format('drop sequence if exists %s', v_sequence);
        end if;
        alter table public.transactions alter column id type uuid using gen_random_uuid();
    end if;
    alter table public.transactions alter column id set default gen_random_uuid();
end;
$$;
comment on table public.transactions is 'The ledger, append-only. Rows with a balance_after chain per person in the order of seq; rows without one are older than the ledger.';
comment on column public.transactions.tokens is 'Signed change of the balance (in rows of earlier versions: as those versions wrote it).';
comment on column public.transactions.amount is 'Money in minor units, where the row is about a payment.';

alter table public.transactions
add constraint transactions_ledger_row_complete check (
    balance_after is null or (grant_id is not null and key is not null and balance_after >= 0 and tokens <> 0)
),
add constraint transactions_type_known check (
    balance_after is null or transaction_type in (
        'opening', 'signup_bonus', 'purchase', 'consumption', 'release', 'expiry', 'refund', 'dispute', 'reversal',
        'grant', 'adjustment'
    )
);
create unique index if not exists transactions_key_unique on public.transactions (key);
create unique index if not exists transactions_seq_unique on public.transactions (seq);
create index if not exists transactions_user_seq on public.transactions (user_id, seq desc);
do $$
begin
    if not exists (
        select 1 from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = 'public.transactions'::regclass and i.indisunique and i.indnkeyatts = 1
        and a.attname = 'stripe_event_id'
    ) then
        alter table public.transactions add constraint transactions_stripe_event_id_key unique (stripe_event_id);
    end if;
end;
$$;

create or replace function private.refuse_ledger_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    raise exception 'the ledger is append-only: correct a row by a further row' using errcode = 'AP500';
end;
$$;
comment on function private.refuse_ledger_change() is 'Refuses every update, delete and truncate of the ledger, also to its owner.';
revoke all on function private.refuse_ledger_change() from public, anon, authenticated;
create or replace trigger transactions_append_only before update or delete or truncate on public.transactions
for each statement execute function private.refuse_ledger_change();

create table if not exists public.purchases (
    id uuid primary key,
    user_id uuid not null,
    tier text not null,
    pack_tokens integer not null,
    price_minor integer not null,
    currency text not null,
    status text not null default 'created',
    checkout_session_id text,
    checkout_url text,
    payment_intent_id text,
    paid_minor integer,
    refunded_minor integer not null default 0,
    dispute text not null default 'none',
    facts_observed_at timestamptz,
    flagged_reason text,
    tokens_settled integer not null default 0,
    tokens_short integer not null default 0,
    settlements integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint purchases_pack_positive check (pack_tokens > 0),
    constraint purchases_price_positive check (price_minor > 0),
    constraint purchases_status_known check (status in ('created', 'open', 'paid', 'failed', 'expired', 'flagged')),
    constraint purchases_dispute_known check (dispute in ('none', 'open', 'won', 'lost')),
    constraint purchases_refund_within_payment check (refunded_minor between 0 and coalesce(paid_minor, 0)),
    constraint purchases_settled_within_pack check (tokens_settled between 0 and pack_tokens),
    constraint purchases_short_not_negative check (tokens_short >= 0)
);
alter table public.purchases enable row level security;
revoke all on public.purchases from anon, authenticated;
create unique index if not exists purchases_checkout_session_unique on public.purchases (checkout_session_id);
create unique index if not exists purchases_payment_intent_unique on public.purchases (payment_intent_id);
create index if not exists purchases_user on public.purchases (user_id, created_at desc);
comment on table public.purchases is 'Facts about one payment. tokens_settled is what settle_purchase last wrote for them; tokens_short is what was spent before it could be taken back.';

create table if not exists public.stripe_events (
    id text primary key,
    type text not null,
    livemode boolean not null,
    api_version text,
    created_at timestamptz not null,
    payload jsonb not null,
    status text not null default 'received',
    error text,
    attempts integer not null default 0,
    received_at timestamptz not null default now(),
    applied_at timestamptz,
    constraint stripe_events_status_known check (status in ('received', 'applied', 'ignored', 'failed', 'flagged'))
);
alter table public.stripe_events enable row level security;
revoke all on public.stripe_events from anon, authenticated;
create index if not exists stripe_events_unapplied on public.stripe_events (received_at) where status in ('received', 'failed');
comment on table public.stripe_events is 'The inbox: each event as it came, committed together with its effect.';
