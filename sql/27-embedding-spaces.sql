-- The spaces that vectors live in: one model each, one of them active, and how another takes over. Functions that use
-- vector operators, and only these, name schemas in their search_path: the extension lives in extensions, or in public.

alter table public.embedding_space
add column if not exists retired_at timestamptz;
comment on column public.embedding_space.retired_at is
'Since when another space serves in its place; its chunks may go. Null = serves, or is being filled to serve.';

create or replace function public.ensure_embedding_space(p_model text, p_dimensions integer) returns integer
language plpgsql
set search_path = pg_catalog, public, extensions
as $$
declare
    v_space_id integer;
    -- HNSW holds at most 2000 dimensions as vector, 4000 as halfvec (pgvector 0.7 and later).
    v_type constant text := case when p_dimensions > 2000 then 'halfvec' else 'vector' end;
begin
    select s.id into v_space_id
    from public.embedding_space as s
    where s.model = p_model and s.dimensions = p_dimensions and s.retired_at is null;
    -- The usual start of a service: nothing to lock.
    if to_regclass('public.documents_embedding_space_' || v_space_id) is not null then
        return v_space_id;
    end if;
    -- One at a time: two services that start with two models must not both make theirs the active one.
    perform pg_advisory_xact_lock(hashtext('public.embedding_space'));
    insert into public.embedding_space (model, dimensions, is_active)
    values (p_model, p_dimensions, not exists (select 1 from public.embedding_space where is_active))
    on conflict (model, dimensions) do update set retired_at = null
    returning id into v_space_id;
    if to_regclass('public.documents_embedding_space_' || v_space_id) is null then
        -- Writers wait while it is built. That is short: a space without an index has no chunks yet.
        execute format(
            'create index %I on public.documents using hnsw ((embedding::%s(%s)) %s_cosine_ops) where embedding_space_id = %s',
            'documents_embedding_space_' || v_space_id, v_type, p_dimensions, v_type, v_space_id
        );
    end if;
    return v_space_id;
end;
$$;
comment on function public.ensure_embedding_space(text, integer) is
'Returns the id of the space for a model and its dimension, with its index; the first space of a database becomes the active one. '
'May be called by many at once.';
revoke all on function public.ensure_embedding_space(text, integer) from public, anon, authenticated;
grant execute on function public.ensure_embedding_space(text, integer) to service_role;

create or replace function public.activate_embedding_space(p_space_id integer) returns void
language plpgsql
set search_path = ''
as $$
begin
    perform pg_advisory_xact_lock(hashtext('public.embedding_space'));
    if not exists (select 1 from public.embedding_space as s where s.id = p_space_id) then
        raise exception 'there is no embedding space %', p_space_id using errcode = 'AP422';
    end if;
    update public.embedding_space as s set is_active = false, retired_at = now() where s.is_active and s.id <> p_space_id;
    update public.embedding_space as s set is_active = true, retired_at = null where s.id = p_space_id;
end;
$$;
comment on function public.activate_embedding_space(integer) is
'From the end of the transaction on every search looks into this space; the former one is retired. AP422: there is no such space.';
revoke all on function public.activate_embedding_space(integer) from public, anon, authenticated;
grant execute on function public.activate_embedding_space(integer) to service_role;

create or replace function public.drop_inactive_chunks(p_limit integer default 1000) returns integer
language sql
set search_path = ''
as $$
    with retired as (
        select s.id from public.embedding_space as s where s.retired_at is not null
    ), deleted as (
        delete from public.documents as d
        where d.id in (
            select o.id
            from public.documents as o
            where (
                o.embedding_space_id in (select r.id from retired as r)
                -- Chunks of an older database belong to the first space.
                or (o.embedding_space_id is null and (select min(s.id) from public.embedding_space as s) in (select r.id from retired as r))
            ) and exists (
                select 1
                from public.documents as n
                join public.embedding_space as s on s.id = n.embedding_space_id and s.is_active
                where n.document_id = o.document_id
            )
            limit p_limit
            for update skip locked
        )
        returning d.id
    )
    select count(*)::integer from deleted;
$$;
comment on function public.drop_inactive_chunks(integer) is
'Deletes chunks of retired spaces, p_limit at a time, and returns how many. What has no chunks in the active space keeps its old ones.';
revoke all on function public.drop_inactive_chunks(integer) from public, anon, authenticated;
grant execute on function public.drop_inactive_chunks(integer) to service_role;

create or replace function public.drop_unused_embedding_spaces() returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_space_id integer;
    v_dropped integer := 0;
    v_timeout constant text := current_setting('lock_timeout');
begin
    perform pg_advisory_xact_lock(hashtext('public.embedding_space'));
    -- Dropping an index stops readers for a moment; behind a long transaction it would stop them for long.
    perform set_config('lock_timeout', '2s', true);
    for v_space_id in select s.id from public.embedding_space as s where s.retired_at is not null order by s.id for update loop
        -- Asked only now, under the lock that keeps new chunks out.
        if not exists (select 1 from public.documents as d where d.embedding_space_id = v_space_id) then
            execute format('drop index if exists public.%I', 'documents_embedding_space_' || v_space_id);
            delete from public.embedding_space as s where s.id = v_space_id;
            v_dropped := v_dropped + 1;
        end if;
    end loop;
    perform set_config('lock_timeout', v_timeout, true);
    return v_dropped;
end;
$$;
comment on function public.drop_unused_embedding_spaces() is
'Drops retired spaces without chunks, and their indexes; returns how many. 55P03: documents are in use, try again later.';
revoke all on function public.drop_unused_embedding_spaces() from public, anon, authenticated;
grant execute on function public.drop_unused_embedding_spaces() to service_role;
