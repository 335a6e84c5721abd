-- One chat turn: reserved by begin_request, kept alive by a lease, settled exactly once.
-- Runs on databases of earlier versions: the columns they lack are added here.

-- Earlier versions took whatever stands before "~" for the owner, which no longer fits session ids that are plain uuids.
do $$
begin
    if (
        select pg_catalog.pg_get_expr(d.adbin, d.adrelid) !~ '~\s*''\^'
        from pg_catalog.pg_attrdef as d
        join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where d.adrelid = 'public.messages'::regclass and a.attname = 'computed_session_user_id'
    ) then
        perform private.drop_policies('public.messages');
        alter table public.messages drop column computed_session_user_id;
        alter table public.messages add column computed_session_user_id uuid generated always as (
            case
                when session_id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}~'
                    then split_part(session_id, '~', 1)::uuid
            end
        ) stored;
    end if;
end;
$$;

alter table public.messages
add column if not exists parent_id bigint references public.messages (id) on delete cascade,
add column if not exists request_id uuid,
add column if not exists client_message_id text;
comment on column public.messages.parent_id is 'What it answers or follows; messages with the same parent are branches. Null = the first.';
comment on column public.messages.request_id is 'The turn that wrote it; null in rows of earlier versions, whose message_data is not replayed to a model.';
comment on column public.messages.client_message_id is 'The id that the browser gave a user message before the server knew it.';
create index if not exists messages_session on public.messages (session_id, id);
create index if not exists messages_parent on public.messages (parent_id);
create unique index if not exists messages_client_id_unique on public.messages (session_id, client_message_id);
create index if not exists conversations_user on public.conversations (user_id, last_message_at desc);

-- Messages of earlier versions follow one another.
with linear as (
    select m.id, lag(m.id) over (partition by m.session_id order by m.id) as parent_id
    from public.messages as m
    where m.request_id is null
)
update public.messages as m set parent_id = l.parent_id
from linear as l
where l.id = m.id and m.request_id is null and m.parent_id is null and l.parent_id is not null;

alter table public.requests
add column if not exists session_id varchar references public.conversations (session_id) on delete set null,
add column if not exists trigger text not null default 'submit-message',
add column if not exists status text not null default 'done',
add column if not exists grant_id bigint,
add column if not exists user_message_id bigint,
add column if not exists answer_message_id bigint,
add column if not exists lease_holder uuid,
add column if not exists lease_expires_at timestamptz,
add column if not exists stop_requested_at timestamptz,
add column if not exists settled_at timestamptz,
add column if not exists reason text,
add column if not exists input_tokens integer,
add column if not exists output_tokens integer,
add column if not exists usage_estimated boolean,
add column if not exists cost_usd numeric,
add column if not exists model text;
alter table public.requests
drop constraint if exists requests_status_known,
drop constraint if exists requests_running_is_leased;
alter table public.requests
add constraint requests_status_known check (status in ('running', 'done', 'stopped', 'failed', 'released')),
add constraint requests_running_is_leased check (
    status <> 'running' or (lease_holder is not null and lease_expires_at is not null and grant_id is not null)
);
comment on column public.requests.status is
'running, then once: done | stopped (by the person, charged) | failed (broke after output, charged) | released (no output, token back).';
-- A lease is renewed every few seconds: it is in no index, so that those updates stay on their page.
create unique index if not exists requests_one_running_per_conversation on public.requests (session_id) where status = 'running';
create index if not exists requests_user_time on public.requests (user_id, "timestamp" desc);
create index if not exists requests_session on public.requests (session_id);
alter table public.requests set (fillfactor = 80);

create table if not exists public.run_events (
    request_id uuid not null,
    seq integer not null,
    first_seq integer not null,
    part jsonb not null,
    lengths jsonb,
    created_at timestamptz not null default now(),
    constraint run_events_pkey primary key (request_id, seq),
    constraint run_events_range check (first_seq between 1 and seq)
);
alter table public.run_events enable row level security;
revoke all on public.run_events from anon, authenticated;
comment on table public.run_events is
'What a running turn has sent, for readers on other replicas and for settling after a crash; dropped an hour after it settled.';
comment on column public.run_events.lengths is 'For a joined delta: characters of each event from first_seq to seq, so that a reader may begin inside it.';

create or replace function private.resolve_message(p_session_id text, p_reference text) returns bigint
language plpgsql stable
set search_path = ''
as $$
declare
    v_id bigint;
begin
    if p_reference is null then
        return null;
    end if;
    select m.id into v_id from public.messages as m where m.session_id = p_session_id and m.client_message_id = p_reference;
    if v_id is null and p_reference ~ '^\d{1,18}$' then
        select m.id into v_id from public.messages as m where m.session_id = p_session_id and m.id = p_reference::bigint;
    end if;
    return v_id;
end;
$$;
comment on function private.resolve_message(text, text) is
'The message of one conversation that a client means by its own id or by ours; null when there is none.';

create or replace function public.begin_request(
    p_user_id uuid,
    p_request_id uuid,
    p_session_id text,
    p_text text,
    p_trigger text,
    p_message_ref text,
    p_previous_ref text,
    p_client_message_id text,
    p_lease_holder uuid,
    p_lease_seconds integer,
    p_rate_limit integer,
    p_rate_window_seconds integer
) returns table (
    outcome text, session_id text, user_message_id bigint, answer_message_id bigint,
    balance integer, status text, is_new_conversation boolean
)
language plpgsql
-- Definer: the ledger's tables are closed to every caller; so in all functions below.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_now timestamptz;
    v_balance integer;
    v_known public.requests;
    v_session_id text := nullif(p_session_id, '');
    v_owner uuid;
    v_is_new boolean := false;
    v_parent_id bigint;
    v_user_message_id bigint;
    v_answer_message_id bigint;
    v_limited_since timestamptz;
    v_taken record;
begin
    v_balance := private.lock_profile(p_user_id);
    -- After the lock: a turn that waited for another one must see it in its rate window.
    v_now := clock_timestamp();

    select r.* into v_known from public.requests as r where r.id = p_request_id;
    if found then
        if v_known.user_id <> p_user_id or v_known.user_query <> p_text or v_known.trigger <> p_trigger
            or v_known.session_id is distinct from coalesce(v_session_id, v_known.session_id)
            or v_known.user_message_id is null then
            raise exception 'this request id was used for something else' using errcode = 'AP40R';
        end if;
        return query select
            'known'::text, v_known.session_id::text, v_known.user_message_id, v_known.answer_message_id,
            v_balance, v_known.status, false;
        return;
    end if;

    v_balance := private.expire_due_grants(p_user_id, v_balance);

    select r.timestamp into v_limited_since
    from public.requests as r
    where r.user_id = p_user_id
    order by r.timestamp desc
    offset greatest(p_rate_limit, 1) - 1 limit 1;
    if v_limited_since > v_now - make_interval(secs => p_rate_window_seconds) then
        raise exception 'too many requests' using errcode = 'AP429',
            detail = greatest(1, ceil(extract(epoch from v_limited_since - v_now) + p_rate_window_seconds))::integer::text;
    end if;

    if v_session_id is not null then
        select c.user_id into v_owner from public.conversations as c where c.session_id = v_session_id;
        -- Older ids are not uuids: they are continued, never made.
        if v_owner is null and v_session_id !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
            raise exception 'this conversation does not exist' using errcode = 'AP404';
        end if;
    end if;
    if v_owner is null then
        v_is_new := true;
        v_session_id := coalesce(v_session_id, gen_random_uuid()::text);
        insert into public.conversations (session_id, user_id, created_at, last_message_at)
        values (v_session_id, p_user_id, v_now, v_now)
        on conflict (session_id) do nothing;
        if not found then
            select c.user_id into v_owner from public.conversations as c where c.session_id = v_session_id;
            v_is_new := false;
        end if;
    end if;
    if v_owner is distinct from p_user_id and not v_is_new then
        raise exception 'this conversation does not exist' using errcode = 'AP404';
    end if;
    if exists (select 1 from public.requests as r where r.session_id = v_session_id and r.status = 'running') then
        raise exception 'another turn runs in this conversation' using errcode = 'AP409';
    end if;

    if p_trigger = 'regenerate-message' then
        -- The reference is an answer or the question itself; without one the newest question is answered again.
        if p_message_ref is null then
            select max(m.id) into v_user_message_id
            from public.messages as m where m.session_id = v_session_id and m.message ->> 'type' = 'human';
        else
            select case when m.message ->> 'type' = 'human' then m.id else m.parent_id end into v_user_message_id
            from public.messages as m where m.id = private.resolve_message(v_session_id, p_message_ref);
        end if;
        if v_user_message_id is null then
            raise exception 'this message does not exist' using errcode = 'AP40M';
        end if;
    elsif p_message_ref is not null then
        -- An edited question becomes a sibling of the one it replaces.
        select m.parent_id, m.id into v_parent_id, v_user_message_id
        from public.messages as m
        where m.id = private.resolve_message(v_session_id, p_message_ref) and m.message ->> 'type' = 'human';
        if v_user_message_id is null then
            raise exception 'this message does not exist' using errcode = 'AP40M';
        end if;
        v_user_message_id := null;
    elsif not v_is_new then
        v_parent_id := coalesce(
            private.resolve_message(v_session_id, p_previous_ref),
            (select max(m.id) from public.messages as m where m.session_id = v_session_id)
        );
    end if;

    select * into v_taken from private.take_token(p_user_id, 'request:' || p_request_id, p_request_id);
    if v_taken.grant_id is null then
        raise exception 'no tokens left' using errcode = 'AP402';
    end if;

    if v_user_message_id is null then
        insert into public.messages (session_id, parent_id, request_id, client_message_id, message, created_at)
        values (
            v_session_id, v_parent_id, p_request_id,
            -- An id that the conversation holds already stays with its first message.
            case when private.resolve_message(v_session_id, p_client_message_id) is null then p_client_message_id end,
            jsonb_build_object('type', 'human', 'content', p_text), v_now
        )
        returning id into v_user_message_id;
    end if;
    v_answer_message_id := nextval(pg_catalog.pg_get_serial_sequence('public.messages', 'id'));
    if not v_is_new then
        update public.conversations as c set last_message_at = v_now where c.session_id = v_session_id;
    end if;
    insert into public.requests (
        id, user_id, timestamp, user_query, session_id, trigger, status, grant_id, user_message_id, answer_message_id,
        lease_holder, lease_expires_at
    )
    values (
        p_request_id, p_user_id, v_now, p_text, v_session_id, p_trigger, 'running', v_taken.grant_id, v_user_message_id,
        v_answer_message_id, p_lease_holder, v_now + make_interval(secs => p_lease_seconds)
    );
    return query select
        'started'::text, v_session_id, v_user_message_id, v_answer_message_id, v_taken.balance::integer, 'running'::text, v_is_new;
end;
$$;
comment on function public.begin_request(uuid, uuid, text, text, text, text, text, text, uuid, integer, integer, integer) is
'Reserves one chat turn: takes the token, stores the question and the request, in one transaction. outcome is started, or '
'known for a repeat of the same (user, request id), which changes nothing. Refusals: AP401 account, AP402 tokens, '
'AP404 conversation, AP40M message, AP409 another turn runs, AP40R request id used otherwise, AP429 rate (detail: seconds).';

-- Internal: the end of a turn under its locks. Returns the balance.
create or replace function private.close_request(
    p_request public.requests, p_status text, p_reason text, p_message jsonb, p_message_data text
) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_balance integer;
begin
    if p_status = 'released' then
        perform private.move_tokens(
            p_request.user_id, 'release', 1, p_request.grant_id, 'release:' || p_request.id, p_request.id,
            p_metadata => jsonb_build_object('reason', p_reason)
        );
    elsif p_request.session_id is not null then
        insert into public.messages (id, session_id, parent_id, request_id, message, message_data)
        overriding system value
        values (
            p_request.answer_message_id, p_request.session_id, p_request.user_message_id, p_request.id, p_message, p_message_data
        );
        update public.conversations set last_message_at = clock_timestamp() where session_id = p_request.session_id;
    end if;
    update public.requests set
        status = p_status, reason = p_reason, settled_at = clock_timestamp(), lease_holder = null, lease_expires_at = null
    where id = p_request.id;
    select p.tokens into v_balance from public.user_profiles as p where p.id = p_request.user_id;
    -- A token that goes back to a lot past its date expires at once.
    return private.expire_due_grants(p_request.user_id, v_balance);
end;
$$;
comment on function private.close_request(public.requests, text, text, jsonb, text) is
'Stores the answer or gives the token back, and ends the turn. The caller holds the locks of profile and request.';

create or replace function public.settle_request(
    p_user_id uuid,
    p_request_id uuid,
    p_lease_holder uuid,
    p_status text,
    p_reason text,
    p_message jsonb,
    p_message_data text,
    p_model text,
    p_input_tokens integer,
    p_output_tokens integer,
    p_usage_estimated boolean,
    p_cost_usd numeric
) returns table (settled boolean, status text, balance integer)
language plpgsql security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_request public.requests;
    v_balance integer;
begin
    v_balance := private.lock_profile(p_user_id);
    select r.* into v_request from public.requests as r where r.id = p_request_id and r.user_id = p_user_id for update;
    if not found then
        return query select false, null::text, v_balance;
        return;
    end if;
    if v_request.status <> 'running' or v_request.lease_holder <> p_lease_holder then
        return query select false, v_request.status, v_balance;
        return;
    end if;
    v_balance := private.close_request(v_request, p_status, p_reason, p_message, p_message_data);
    update public.requests as r set
        model = p_model, input_tokens = p_input_tokens, output_tokens = p_output_tokens,
        usage_estimated = p_usage_estimated, cost_usd = p_cost_usd
    where r.id = p_request_id;
    return query select true, p_status, v_balance;
end;
$$;
comment on function public.settle_request(uuid, uuid, uuid, text, text, jsonb, text, text, integer, integer, boolean, numeric) is
'Ends a running turn, once, by the process that holds its lease: answer, usage, cost and charge in one transaction. '
'settled is false when the turn ended before or another process took it over; then nothing changes. AP401: no such account.';

create or replace function public.settle_lost_request(p_user_id uuid, p_request_id uuid) returns text
language plpgsql security definer
set search_path = ''
as $$
declare
    v_request public.requests;
    v_text text;
    v_has_tool_output boolean;
    v_status text;
begin
    perform private.lock_profile(p_user_id);
    select r.* into v_request
    from public.requests as r
    where r.id = p_request_id and r.user_id = p_user_id and r.status = 'running' and r.lease_expires_at < clock_timestamp()
    for update;
    if not found then
        return null;
    end if;
    select
        coalesce(string_agg(e.part ->> 'delta', '' order by e.seq) filter (where e.part ->> 'type' = 'text-delta'), ''),
        coalesce(bool_or(e.part ->> 'type' = 'tool-output-available'), false)
    into v_text, v_has_tool_output
    from public.run_events as e where e.request_id = p_request_id;
    -- Output is one non-blank text delta or one completed tool call: it is kept and charged.
    v_status := case
        when v_text ~ '\S' or v_has_tool_output then case when v_request.stop_requested_at is null then 'failed' else 'stopped' end
        else 'released'
    end;
    perform private.close_request(
        v_request, v_status, 'process_lost',
        jsonb_build_object(
            'type', 'ai', 'content', v_text,
            'parts', jsonb_build_array(jsonb_build_object('type', 'text', 'text', v_text, 'state', 'done'))
        ),
        null
    );
    return v_status;
end;
$$;
comment on function public.settle_lost_request(uuid, uuid) is
'Ends a turn whose process let the lease run out, from what run_events hold of it; null when there is nothing to do.';

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
    update public.requests as r set lease_expires_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
    where r.id = any(p_request_ids) and r.lease_holder = p_lease_holder and r.status = 'running'
    returning r.id
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

create or replace function public.delete_conversation(p_user_id uuid, p_session_id text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    perform private.lock_profile(p_user_id);
    if not exists (
        select 1 from public.conversations as c where c.session_id = p_session_id and c.user_id = p_user_id
    ) then
        raise exception 'this conversation does not exist' using errcode = 'AP404';
    end if;
    if exists (select 1 from public.requests as r where r.session_id = p_session_id and r.status = 'running') then
        raise exception 'another turn runs in this conversation' using errcode = 'AP409';
    end if;
    -- The turns stay countable; what was said goes.
    delete from public.run_events as e using public.requests as r where r.session_id = p_session_id and e.request_id = r.id;
    update public.requests as r set
        session_id = null, user_query = '', user_message_id = null, answer_message_id = null
    where r.session_id = p_session_id;
    delete from public.conversations as c where c.session_id = p_session_id;
end;
$$;
comment on function public.delete_conversation(uuid, text) is
'Deletes a conversation with its messages. AP404: not the person''s. AP409: a turn runs in it.';

create or replace function public.update_profile_name(p_user_id uuid, p_full_name text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    update public.user_profiles as p set full_name = nullif(btrim(p_full_name), '') where p.id = p_user_id;
    if not found then
        raise exception 'this account does not exist' using errcode = 'AP401';
    end if;
end;
$$;
comment on function public.update_profile_name(uuid, text) is 'Sets or clears the name of a person. AP401: no such account.';

create or replace function public.purge_run_events(p_limit integer) returns integer
language sql security definer
set search_path = ''
as $$
    with old as (
        select distinct e.request_id
        from public.run_events as e
        left join public.requests as r on r.id = e.request_id
        where r.id is null or r.settled_at < clock_timestamp() - interval '1 hour'
        limit p_limit
    ), gone as (
        delete from public.run_events as e using old where e.request_id = old.request_id returning 1
    )
    select count(*)::integer from gone
$$;
comment on function public.purge_run_events(integer) is 'Drops the events of up to p_limit turns settled over an hour ago; returns how many rows.';

revoke all on function private.resolve_message(text, text) from public, anon, authenticated;
revoke all on function private.close_request(public.requests, text, text, jsonb, text) from public, anon, authenticated;
revoke all on function public.begin_request(uuid, uuid, text, text, text, text, text, text, uuid, integer, integer, integer) from public, anon, authenticated;
revoke all on function public.settle_request(uuid, uuid, uuid, text, text, jsonb, text, text, integer, integer, boolean, numeric) from public, anon, authenticated;
revoke all on function public.settle_lost_request(uuid, uuid) from public, anon, authenticated;
revoke all on function public.list_lost_requests(integer) from public, anon, authenticated;
revoke all on function public.renew_leases(uuid, uuid[], integer) from public, anon, authenticated;
revoke all on function public.flush_run_events(uuid, uuid[], jsonb) from public, anon, authenticated;
revoke all on function public.request_stop(uuid, text) from public, anon, authenticated;
revoke all on function public.delete_conversation(uuid, text) from public, anon, authenticated;
revoke all on function public.update_profile_name(uuid, text) from public, anon, authenticated;
revoke all on function public.purge_run_events(integer) from public, anon, authenticated;
grant execute on function public.begin_request(uuid, uuid, text, text, text, text, text, text, uuid, integer, integer, integer) to service_role;
grant execute on function public.settle_request(uuid, uuid, uuid, text, text, jsonb, text, text, integer, integer, boolean, numeric) to service_role;
grant execute on function public.settle_lost_request(uuid, uuid) to service_role;
grant execute on function public.list_lost_requests(integer) to service_role;
grant execute on function public.renew_leases(uuid, uuid[], integer) to service_role;
grant execute on function public.flush_run_events(uuid, uuid[], jsonb) to service_role;
grant execute on function public.request_stop(uuid, text) to service_role;
grant execute on function public.delete_conversation(uuid, text) to service_role;
grant execute on function public.update_profile_name(uuid, text) to service_role;
grant execute on function public.purge_run_events(integer) to service_role;
