-- Who may see and change what holds money. Reading one's own is all that a browser's key allows; the one thing a
-- person may write is their name.

grant usage on schema private to authenticated, service_role;

create or replace function private.is_admin() returns boolean
language sql stable
-- Definer: as invoker it would run the very policy that calls it, on the table it reads.
security definer
set search_path = ''
as $$ select coalesce((select p.is_admin from public.user_profiles as p where p.id = auth.uid()), false) $$;
comment on function private.is_admin() is 'Whether the caller is an operator.';
revoke all on function private.is_admin() from public, anon;
grant execute on function private.is_admin() to authenticated, service_role;

create or replace function public.is_admin() returns boolean
language sql stable security invoker
set search_path = ''
as $$ select private.is_admin() $$;
comment on function public.is_admin() is 'Whether the caller is an operator.';
revoke all on function public.is_admin() from public, anon;
grant execute on function public.is_admin() to authenticated, service_role;

create or replace function private.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    new.updated_at := now();
    return new;
end;
$$;
comment on function private.touch_updated_at() is 'Stamps a row that a person changed.';
revoke all on function private.touch_updated_at() from public, anon, authenticated;

do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'user_profiles', 'token_grants', 'transactions', 'purchases', 'stripe_events', 'app_settings', 'job_leases'
    ] loop
        perform private.drop_policies(format('public.%I', v_table)::regclass);
    end loop;
end;
$$;

-- Profiles
alter table public.user_profiles enable row level security;
revoke all on public.user_profiles from anon, authenticated, service_role;
-- Also the column grants, which "revoke all on" a table takes with it, are given anew: the name alone.
grant select, update (full_name) on public.user_profiles to authenticated;
-- The balance is written by ledger functions only, so service_role does not get tokens to write either.
grant select, delete on public.user_profiles to service_role;
grant insert (id, email, full_name, is_admin), update (email, full_name, is_admin, updated_at)
on public.user_profiles to service_role;
create policy "People read their own profile" on public.user_profiles
for select to authenticated using (id = (select auth.uid()));
create policy "Operators read every profile" on public.user_profiles
for select to authenticated using ((select private.is_admin()));
create policy "People change their own name" on public.user_profiles
for update to authenticated using (id = (select auth.uid())) with check (id = (select auth.uid()));
create or replace trigger user_profiles_touch before update of full_name on public.user_profiles
for each row execute function private.touch_updated_at();

-- Lots, ledger, purchases: read only
grant select on public.token_grants to authenticated;
create policy "People read their own lots" on public.token_grants
for select to authenticated using (user_id = (select auth.uid()));
create policy "Operators read every lot" on public.token_grants
for select to authenticated using ((select private.is_admin()));

grant select on public.transactions to authenticated;
create policy "People read their own transactions" on public.transactions
for select to authenticated using (user_id = (select auth.uid()));
create policy "Operators read every transaction" on public.transactions
for select to authenticated using ((select private.is_admin()));

grant select on public.purchases to authenticated;
create policy "People read their own purchases" on public.purchases
for select to authenticated using (user_id = (select auth.uid()));
create policy "Operators read every purchase" on public.purchases
for select to authenticated using ((select private.is_admin()));

-- Events, settings and leases have no policy: nobody's browser reads them.
