-- What people do with their conversations and their name, outside a turn.

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
        session_id = null, user_query = '', user_message_id = null, answer_message_id = null, lease_holder = null
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

revoke all on function public.delete_conversation(uuid, text) from public, anon, authenticated;
revoke all on function public.update_profile_name(uuid, text) from public, anon, authenticated;
grant execute on function public.delete_conversation(uuid, text) to service_role;
grant execute on function public.update_profile_name(uuid, text) to service_role;
