-- For operators who subscribe to Supabase Realtime. The product's own live balance does not need it.

do $$
begin
    if not exists (select 1 from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
    if not exists (
        select 1 from pg_catalog.pg_publication_tables
        where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = 'user_profiles'
    ) then
        alter publication supabase_realtime add table public.user_profiles;
    end if;
exception when insufficient_privilege then
    raise notice 'no right on publication supabase_realtime: add public.user_profiles to it as its owner, if you use it';
end;
$$;
