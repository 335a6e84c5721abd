-- What keeps a running turn alive and visible: leases, events, stop.

create or replace function public.list_lost_requests(p_limit integer)
returns table (user_id uuid, request_id uuid)
language sql stable security definer
set search_path = ''
as $$
    select r.user_id, r.id
    from public.requests as r
    where r.status = 'running' and r.lease_expires_at < clock_timestamp()
    order by r.lease_expires_at
    limit p_limit
$$;
comment on function public.list_lost_requests(integer) is
'Running turns past their lease, read without locks; each is then settled in a transaction of its own.';

create or replace function public.renew_leases(p_lease_holder uuid, p_request_ids uuid[], p_lease_seconds integer)
returns setof uuid
language sql security definer
set search_path = ''
as $$
    with mine as materialized (
        select r.id
        from public.requests as r
        where r.id = any(p_request_ids) and r.lease_holder = p_lease_holder and r.status = 'running'
    ), free as (
        -- Never waits: a row locked now is being stopped, settled or deleted, and the next renewal comes in time. Waiting
        -- on one row while holding others could deadlock with the deletion of an account.
        select r.id
        from public.requests as r
        where r.id in (select m.id from mine as m) and r.lease_holder = p_lease_holder and r.status = 'running'
        for no key update skip locked
    ), renewed as (
        update public.requests as r set lease_expires_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
        from free as f
        where r.id = f.id
    )
    select m.id from mine as m
$$;
comment on function public.renew_leases(uuid, uuid[], integer) is
'Extends the leases of a process in one statement; a turn that is not returned was lost to it and must be cancelled.';

create or replace function public.flush_run_events(p_lease_holder uuid, p_request_ids uuid[], p_events jsonb)
returns table (request_id uuid, stop_requested boolean)
language sql security definer
set search_path = ''
as $$
    with stored as (
        insert into public.run_events (request_id, first_seq, seq, part, lengths)
        select e.request_id, e.first_seq, e.seq, e.part, e.lengths
        from jsonb_to_recordset(p_events) as e (request_id uuid, first_seq integer, seq integer, part jsonb, lengths jsonb)
        -- A process that lost a turn adds nothing to it: its text would follow what was settled. One that settled it
        -- adds the end of the stream.
        join public.requests as r on r.id = e.request_id and r.lease_holder = p_lease_holder
        on conflict do nothing
    )
    select r.id, r.stop_requested_at is not null
    from public.requests as r
    where r.id = any(p_request_ids) and r.lease_holder = p_lease_holder and r.status = 'running'
$$;
comment on function public.flush_run_events(uuid, uuid[], jsonb) is
'Stores the latest events of all runs of a process and returns the runs it still holds, with what people asked of them.';

create or replace function public.request_stop(p_user_id uuid, p_session_id text) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
    v_request_id uuid;
begin
    if not exists (
        select 1 from public.conversations as c where c.session_id = p_session_id and c.user_id = p_user_id
    ) then
        raise exception 'this conversation does not exist' using errcode = 'AP404';
    end if;
    update public.requests as r set stop_requested_at = coalesce(r.stop_requested_at, clock_timestamp())
    where r.session_id = p_session_id and r.user_id = p_user_id and r.status = 'running'
    returning r.id into v_request_id;
    return v_request_id;
end;
$$;
comment on function public.request_stop(uuid, text) is
'Asks whichever process runs the turn of a conversation to stop it; returns its id, or null. AP404: not the person''s.';

create or replace function public.purge_run_events(p_limit integer) returns integer
language sql security definer
set search_path = ''
as $$
    -- Steps from turn to turn along the primary key: a distinct over the table would read every event of the last hour.
    with recursive turns as (
        (select e.request_id from public.run_events as e order by e.request_id limit 1)
        union all
        select (
            select e.request_id from public.run_events as e where e.request_id > t.request_id order by e.request_id limit 1
        )
        from turns as t where t.request_id is not null
    ), old as (
        select t.request_id
        from turns as t
        left join public.requests as r on r.id = t.request_id
        where t.request_id is not null and (r.id is null or r.settled_at < clock_timestamp() - interval '1 hour')
        limit p_limit
    ), gone as (
        delete from public.run_events as e using old where e.request_id = old.request_id returning 1
    )
    select count(*)::integer from gone
$$;
comment on function public.purge_run_events(integer) is 'Drops the events of up to p_limit turns settled over an hour ago; returns how many rows.';

revoke all on function public.list_lost_requests(integer) from public, anon, authenticated;
revoke all on function public.renew_leases(uuid, uuid[], integer) from public, anon, authenticated;
revoke all on function public.flush_run_events(uuid, uuid[], jsonb) from public, anon, authenticated;
revoke all on function public.request_stop(uuid, text) from public, anon, authenticated;
revoke all on function public.purge_run_events(integer) from public, anon, authenticated;
grant execute on function public.list_lost_requests(integer) to service_role;
grant execute on function public.renew_leases(uuid, uuid[], integer) to service_role;
grant execute on function public.flush_run_events(uuid, uuid[], jsonb) to service_role;
grant execute on function public.request_stop(uuid, text) to service_role;
grant execute on function public.purge_run_events(integer) to service_role;
