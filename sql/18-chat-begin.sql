-- The beginning of a chat turn, and every reason to refuse it.

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

create or replace function private.usable_client_id(p_session_id text, p_client_message_id text) returns text
language plpgsql stable
set search_path = ''
as $$
begin
    return case
        when char_length(p_client_message_id) not between 1 and 200 then null
        -- It would be taken for one of our ids.
        when p_client_message_id ~ '^\d+$' then null
        -- An id that the conversation holds already stays with its first message.
        when exists (
            select 1 from public.messages as m
            where m.session_id = p_session_id and m.client_message_id = p_client_message_id
        ) then null
        else p_client_message_id
    end;
end;
$$;
comment on function private.usable_client_id(text, text) is 'The id a browser gave its message, or null where it cannot be stored under it.';

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
    v_grant_id bigint;
begin
    if p_request_id is null or p_lease_holder is null or p_text is null
        or p_trigger is null or p_trigger not in ('submit-message', 'regenerate-message')
        or (p_trigger = 'submit-message' and p_text !~ '\S') then
        raise exception 'this is not a turn' using errcode = 'AP422';
    end if;
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
    -- The books outlive a deleted account: the key of its movement is taken for good.
    if exists (select 1 from public.transactions as t where t.key = 'request:' || p_request_id) then
        raise exception 'this request id was used for something else' using errcode = 'AP40R';
    end if;

    v_balance := private.expire_due_grants(p_user_id, v_balance);

    -- The window stands in the query: with a high limit it must not read a person's whole past.
    select r.timestamp into v_limited_since
    from public.requests as r
    where r.user_id = p_user_id and r.timestamp > v_now - make_interval(secs => p_rate_window_seconds)
    order by r.timestamp desc
    offset greatest(p_rate_limit, 1) - 1 limit 1;
    if found then
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
            select q.id into v_user_message_id
            from public.messages as m
            join public.messages as q on q.id = case when m.message ->> 'type' = 'human' then m.id else m.parent_id end
            where m.id = private.resolve_message(v_session_id, p_message_ref) and q.message ->> 'type' = 'human';
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

    v_grant_id := private.next_lot(p_user_id);
    if v_grant_id is null then
        raise exception 'no tokens left' using errcode = 'AP402';
    end if;

    if v_user_message_id is null then
        insert into public.messages (session_id, parent_id, request_id, client_message_id, message, created_at)
        values (
            v_session_id, v_parent_id, p_request_id,
            private.usable_client_id(v_session_id, p_client_message_id),
            jsonb_build_object('type', 'human', 'content', p_text), v_now
        )
        returning id into v_user_message_id;
    end if;
    v_answer_message_id := nextval(pg_catalog.pg_get_serial_sequence('public.messages', 'id'));
    if not v_is_new then
        update public.conversations as c set last_message_at = v_now where c.session_id = v_session_id;
    end if;
    -- Before the movement: of two people who send one id at once, the second waits here and is refused.
    insert into public.requests (
        id, user_id, timestamp, user_query, session_id, trigger, status, grant_id, user_message_id, answer_message_id,
        lease_holder, lease_expires_at
    )
    values (
        p_request_id, p_user_id, v_now, p_text, v_session_id, p_trigger, 'running', v_grant_id, v_user_message_id,
        v_answer_message_id, p_lease_holder, v_now + make_interval(secs => p_lease_seconds)
    )
    on conflict (id) do nothing;
    if not found then
        raise exception 'this request id was used for something else' using errcode = 'AP40R';
    end if;
    v_balance := private.move_tokens(p_user_id, 'consumption', -1, v_grant_id, 'request:' || p_request_id, p_request_id);
    return query select
        'started'::text, v_session_id, v_user_message_id, v_answer_message_id, v_balance, 'running'::text, v_is_new;
end;
$$;
comment on function public.begin_request(uuid, uuid, text, text, text, text, text, text, uuid, integer, integer, integer) is
'Reserves one chat turn: takes the token, stores the question and the request, in one transaction. outcome is started, or '
'known for a repeat of the same (user, request id), which changes nothing. Refusals: AP401 account, AP402 tokens, '
'AP404 conversation, AP40M message, AP409 another turn runs, AP40R request id used otherwise, AP422 no turn at all, AP429 rate (detail: seconds).';

revoke all on function private.resolve_message(text, text) from public, anon, authenticated;
revoke all on function private.usable_client_id(text, text) from public, anon, authenticated;
revoke all on function public.begin_request(uuid, uuid, text, text, text, text, text, text, uuid, integer, integer, integer) from public, anon, authenticated;
grant execute on function public.begin_request(uuid, uuid, text, text, text, text, text, text, uuid, integer, integer, integer) to service_role;
