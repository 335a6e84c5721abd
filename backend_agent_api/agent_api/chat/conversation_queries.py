"""SQL of conversations and their messages. Every statement names its owner."""

from datetime import datetime
from uuid import UUID

import asyncpg

from agent_api.database import Connection


async def list_conversations(
    connection: Connection, *, user_id: UUID, is_archived: bool, limit: int, before: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Up to `limit` conversations that come after `before` in the order of their latest activity."""
    before_time, before_session_id = before or (None, None)
    return await connection.fetch(
        """
        select
            c.session_id, c.title, c.created_at, c.last_message_at, c.is_archived,
            exists (
                select 1 from public.requests as r where r.session_id = c.session_id and r.status = 'running'
            ) as is_running
        from public.conversations as c
        where c.user_id = $1
            and c.is_archived = $2
            and ($3::timestamptz is null or (c.last_message_at, c.session_id) < ($3, $4))
        order by c.last_message_at desc, c.session_id desc
        limit $5
        """,
        user_id,
        is_archived,
        before_time,
        before_session_id,
        limit,
    )


async def get_conversation(connection: Connection, *, user_id: UUID, session_id: str) -> asyncpg.Record | None:
    """One conversation with its running turn, or None where it is not the user's."""
    return await connection.fetchrow(
        """
        select
            c.session_id, c.title, c.created_at, c.last_message_at, c.is_archived,
            r.id is not null as is_running,
            r.id as running_request_id,
            r.user_message_id as running_user_message_id
        from public.conversations as c
        left join public.requests as r on r.session_id = c.session_id and r.status = 'running'
        where c.session_id = $1 and c.user_id = $2
        """,
        session_id,
        user_id,
    )


async def update_conversation(
    connection: Connection, *, user_id: UUID, session_id: str, title: str | None, is_archived: bool | None
) -> None:
    """Change what is not None."""
    await connection.execute(
        """
        update public.conversations as c
        set title = coalesce($3, c.title), is_archived = coalesce($4, c.is_archived)
        where c.session_id = $1 and c.user_id = $2
        """,
        session_id,
        user_id,
        title,
        is_archived,
    )


async def delete_conversation(connection: Connection, *, user_id: UUID, session_id: str) -> None:
    """Delete it with its messages. Refused with ConversationNotFound, or RunInProgress while a turn runs in it."""
    await connection.execute("select public.delete_conversation($1, $2)", user_id, session_id)


async def newest_message_id(connection: Connection, *, session_id: str) -> int | None:
    """The end of the newest branch: ids grow, so the newest message has no successor."""
    return await connection.fetchval("select max(m.id) from public.messages as m where m.session_id = $1", session_id)


async def newest_message_id_below(connection: Connection, *, session_id: str, message_id: int) -> int | None:
    """The end of the newest branch through a message; None where the conversation does not hold it."""
    return await connection.fetchval(
        """
        with recursive below (id) as (
            select m.id from public.messages as m where m.session_id = $1 and m.id = $2
            union all
            select m.id from below as b join public.messages as m on m.parent_id = b.id
        )
        select max(b.id) from below as b
        """,
        session_id,
        message_id,
    )


async def get_message(connection: Connection, *, session_id: str, message_id: int) -> asyncpg.Record | None:
    """A message's parent, or None where the conversation does not hold the message."""
    return await connection.fetchrow(
        "select m.parent_id from public.messages as m where m.session_id = $1 and m.id = $2", session_id, message_id
    )


async def list_branch(
    connection: Connection, *, user_id: UUID, session_id: str, last_message_id: int, limit: int
) -> list[asyncpg.Record]:
    """A message and what leads to it, newest first, at most `limit` rows."""
    return await connection.fetch(
        """
        with recursive branch as (
            select m.id, m.parent_id, m.request_id, m.message, m.created_at, 1 as place
            from public.messages as m
            where m.session_id = $2 and m.id = $3
            union all
            select m.id, m.parent_id, m.request_id, m.message, m.created_at, b.place + 1
            from branch as b
            join public.messages as m on m.id = b.parent_id and m.session_id = $2
            where b.place < $4
        )
        select
            b.id, b.parent_id, b.request_id, b.message, b.created_at, r.status, r.reason,
            case
                when b.parent_id is null then (
                    select array_agg(s.id order by s.id) from public.messages as s
                    where s.session_id = $2 and s.parent_id is null
                )
                else (select array_agg(s.id order by s.id) from public.messages as s where s.parent_id = b.parent_id)
            end as sibling_ids
        from branch as b
        left join public.requests as r on r.id = b.request_id and r.user_id = $1
        order by b.place
        """,
        user_id,
        session_id,
        last_message_id,
        limit,
    )
