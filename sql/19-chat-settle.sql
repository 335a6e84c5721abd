-- The end of a chat turn: by the process that ran it, or after that process was lost.

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
        -- The holder stays: what it has sent last, it stores after this.
        status = p_status, reason = p_reason, settled_at = clock_timestamp(), lease_holder = p_request.lease_holder, lease_expires_at = null,
        model = p_request.model, input_tokens = p_request.input_tokens, output_tokens = p_request.output_tokens,
        usage_estimated = p_request.usage_estimated, cost_usd = p_request.cost_usd
    where id = p_request.id;
    select p.tokens into v_balance from public.user_profiles as p where p.id = p_request.user_id;
    -- A token that goes back to a lot past its date expires at once.
    return private.expire_due_grants(p_request.user_id, v_balance);
end;
$$;
comment on function private.close_request(public.requests, text, text, jsonb, text) is
'Stores the answer or gives the token back, and ends the turn with the usage that p_request holds. The caller holds the locks of profile and request.';

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
    v_request.model := p_model;
    v_request.input_tokens := p_input_tokens;
    v_request.output_tokens := p_output_tokens;
    v_request.usage_estimated := p_usage_estimated;
    v_request.cost_usd := p_cost_usd;
    v_balance := private.close_request(v_request, p_status, p_reason, p_message, p_message_data);
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
    v_request.lease_holder := null;
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

revoke all on function private.close_request(public.requests, text, text, jsonb, text) from public, anon, authenticated;
revoke all on function public.settle_request(uuid, uuid, uuid, text, text, jsonb, text, text, integer, integer, boolean, numeric) from public, anon, authenticated;
revoke all on function public.settle_lost_request(uuid, uuid) from public, anon, authenticated;
grant execute on function public.settle_request(uuid, uuid, uuid, text, text, jsonb, text, text, integer, integer, boolean, numeric) to service_role;
grant execute on function public.settle_lost_request(uuid, uuid) to service_role;
