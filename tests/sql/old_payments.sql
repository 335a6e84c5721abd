-- What scripts 10-15 of that earlier version added to old_database.sql, with data.

alter table user_profiles add column tokens integer not null default 0 check (tokens >= 0);

create table transactions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references user_profiles (id) on delete cascade,
    transaction_type text not null check (transaction_type in ('purchase', 'consumption')),
    amount integer,
    tokens integer not null,
    stripe_payment_intent_id text,
    stripe_event_id text unique,
    metadata jsonb default '{}'::jsonb,
    created_at timestamp with time zone default now()
);
create index idx_transactions_user on transactions (user_id, created_at desc);
alter table transactions enable row level security;
create policy "Users can view own transactions" on transactions for select using (auth.uid() = user_id);
create policy "Service role manages transactions" on transactions using (true) with check (true);

create function deduct_token_if_sufficient(p_user_id uuid)
returns table (success boolean, remaining_tokens integer, error_message text) as $$
declare
    v_tokens integer;
begin
    update user_profiles set tokens = tokens - 1 where id = p_user_id and tokens > 0 returning tokens into v_tokens;
    return query select found, coalesce(v_tokens, 0), null::text;
end;
$$ language plpgsql security definer;

-- Another argument type than ours: create or replace would leave it standing, open to everybody.
create function grant_tokens_for_purchase(p_user_id uuid, p_tokens integer, p_event_id varchar, p_payment_intent_id varchar)
returns table (success boolean, new_balance integer, error_message text) as $$
begin
    update user_profiles set tokens = tokens + p_tokens where id = p_user_id;
    return query select true, 0, null::text;
end;
$$ language plpgsql security definer;

do $$
begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
end;
$$;
alter publication supabase_realtime add table user_profiles;

update user_profiles set tokens = 97 where email = 'person@example.com';
insert into transactions (user_id, transaction_type, amount, tokens, stripe_payment_intent_id, stripe_event_id, created_at) values
('00000000-0000-4000-8000-00000000000a', 'purchase', 500, 100, 'pi_1', 'evt_1', '2025-01-01 09:00:00+00'),
('00000000-0000-4000-8000-00000000000a', 'consumption', null, 1, null, null, '2025-01-01 10:00:00+00'),
('00000000-0000-4000-8000-00000000000a', 'consumption', null, 1, null, null, null),
('00000000-0000-4000-8000-00000000000a', 'consumption', null, 1, null, null, '2025-01-01 10:02:00+00');
