"""Conversations and their messages over real HTTP, on rows as the turns of the product write them."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from agent_api_support.api import Api, refusal

from local_stack.postgres.testing import Database


@dataclass
class Person:
    """Someone who asks; every answer is one text."""

    api: Api
    database: Database
    id: UUID

    @property
    def headers(self) -> dict[str, str]:
        return self.api.headers(self.id)

    async def ask(
        self,
        session_id: str,
        text: str,
        *,
        answer: str | None = "Yes.",
        instead_of: int | None = None,
        again: bool = False,
    ) -> asyncpg.Record:
        """One turn by the product's own functions; `answer=None` leaves it running."""
        holder, request_id = uuid4(), uuid4()
        async with self.database.connect() as connection:
            turn = await connection.fetchrow(
                "select * from public.begin_request($1, $2, $3, $4, $5, $6, null, null, $7, 30, 1000, 60)",
                self.id,
                request_id,
                session_id,
                text,
                "regenerate-message" if again else "submit-message",
                None if instead_of is None else str(instead_of),
                holder,
            )
            assert turn is not None
            if answer is not None:
                message = {
                    "type": "ai",
                    "content": answer,
                    "parts": [{"type": "text", "text": answer, "state": "done"}],
                }
                await connection.execute(
                    "select public.settle_request($1, $2, $3, 'done', null, $4, '[]', 'test', 1, 1, false, 0)",
                    self.id,
                    request_id,
                    holder,
                    json.dumps(message),
                )
        return turn

    async def messages(self, session_id: str, **query: Any) -> dict[str, Any]:
        reply = await self.api.client.get(
            f"/api/conversations/{session_id}/messages", headers=self.headers, params=query
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def texts(self, session_id: str, **query: Any) -> list[str]:
        items = (await self.messages(session_id, **query))["items"]
        return [item["parts"][0]["text"] for item in items]


@pytest.fixture
async def person(api: Api, shared_database: Database) -> Person:
    return Person(api, shared_database, await shared_database.add_user(tokens=1000))


@pytest.fixture
async def stranger(api: Api, shared_database: Database) -> Person:
    return Person(api, shared_database, await shared_database.add_user(tokens=10))


async def test_conversations_come_by_page_latest_activity_first(person: Person, stranger: Person) -> None:
    names = [str(uuid4()) for _ in range(5)]
    for name in names:
        await person.ask(name, "Hello")
    await stranger.ask(str(uuid4()), "Hello")
    await person.ask(names[0], "Again")  # Activity brings it to the top.
    expected = [names[0], *reversed(names[1:])]
    seen: list[str] = []
    cursor = ""
    while True:
        reply = await person.api.client.get(
            "/api/conversations", headers=person.headers, params={"limit": 2, "cursor": cursor}
        )
        page = reply.json()
        seen += [item["session_id"] for item in page["items"]]
        assert len(page["items"]) <= 2
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert seen == expected


async def test_conversations_of_the_same_moment_are_neither_skipped_nor_repeated(
    person: Person, shared_database: Database
) -> None:
    names = sorted((str(uuid4()) for _ in range(5)), reverse=True)
    async with shared_database.connect() as connection:
        await connection.executemany(
            "insert into public.conversations (session_id, user_id, last_message_at) values ($1, $2, '2026-01-01')",
            [(name, person.id) for name in names],
        )
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        reply = await person.api.client.get(
            "/api/conversations", headers=person.headers, params={"limit": 2, "cursor": cursor}
        )
        seen += [item["session_id"] for item in reply.json()["items"]]
        cursor = reply.json()["next_cursor"]
    assert seen == names


async def test_renaming_and_archiving(person: Person) -> None:
    session_id = str(uuid4())
    await person.ask(session_id, "Hello")
    client, headers, path = person.api.client, person.headers, f"/api/conversations/{session_id}"
    renamed = await client.patch(
        path, headers=headers, json={"title": "  Über 💡 \u202eRTL  ", "user_id": str(uuid4())}
    )
    assert renamed.json()["title"] == "Über 💡 \u202eRTL"
    assert renamed.json()["is_archived"] is False
    archived = await client.patch(path, headers=headers, json={"is_archived": True})
    assert (archived.json()["title"], archived.json()["is_archived"]) == ("Über 💡 \u202eRTL", True)
    current = (await client.get("/api/conversations", headers=headers)).json()
    archive = (await client.get("/api/conversations?archived=true", headers=headers)).json()
    assert [item["session_id"] for item in current["items"]] == []
    assert [item["session_id"] for item in archive["items"]] == [session_id]
    assert (await client.get(path, headers=headers)).json() == archive["items"][0]
    for title in ("", "   ", "x" * 201, "a\x00b", 7):
        refused = await client.patch(path, headers=headers, json={"title": title})
        assert refusal(refused) == (422, "invalid_request")
        assert refused.json()["error"]["field"] == "title"


async def test_deleting_removes_it_but_not_while_a_turn_runs(person: Person) -> None:
    client, headers = person.api.client, person.headers
    done, running = str(uuid4()), str(uuid4())
    await person.ask(done, "Hello")
    await person.ask(running, "Hello", answer=None)
    assert (await client.get(f"/api/conversations/{running}", headers=headers)).json()["is_running"] is True
    refused = await client.delete(f"/api/conversations/{running}", headers=headers)
    assert refusal(refused) == (409, "run_in_progress")
    deleted = await client.delete(f"/api/conversations/{done}", headers=headers)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert refusal(await client.get(f"/api/conversations/{done}", headers=headers)) == (404, "conversation_not_found")
    # What it cost stays in the books.
    spent = (await client.get("/api/transactions?type=consumption", headers=headers)).json()["items"]
    assert [item["session_id"] for item in spent] == [running, None]


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/messages?branch=1", None),
        ("GET", "/messages?before=1", None),
        ("PATCH", "", {"title": "Mine now"}),
        ("PATCH", "", {"is_archived": True}),
        ("DELETE", "", None),
    ],
)
async def test_another_persons_conversation_does_not_exist(
    person: Person, stranger: Person, method: str, suffix: str, body: dict[str, Any] | None
) -> None:
    session_id = str(uuid4())
    await person.ask(session_id, "A secret")
    before = (await person.api.client.get(f"/api/conversations/{session_id}", headers=person.headers)).json()
    for path in (f"/api/conversations/{session_id}{suffix}", f"/api/conversations/{uuid4()}{suffix}"):
        reply = await person.api.client.request(method, path, headers=stranger.headers, json=body)
        assert refusal(reply) == (404, "conversation_not_found")
    after = (await person.api.client.get(f"/api/conversations/{session_id}", headers=person.headers)).json()
    assert after == before


async def test_messages_are_those_of_the_ai_sdk_oldest_first(person: Person) -> None:
    session_id = str(uuid4())
    turn = await person.ask(session_id, "Are you open?\n```py\n```", answer="Yes, we are.")
    page = await person.messages(session_id)
    question, answer = page["items"]
    assert (question["role"], question["parts"]) == ("user", [{"type": "text", "text": "Are you open?\n```py\n```"}])
    assert (answer["role"], answer["parts"][0]["text"]) == ("assistant", "Yes, we are.")
    assert (question["id"], answer["id"]) == (str(turn["user_message_id"]), str(turn["answer_message_id"]))
    assert (question["parent_id"], answer["parent_id"]) == (None, question["id"])
    assert question["metadata"]["request_id"] == answer["metadata"]["request_id"]
    assert answer["metadata"]["status"] == "done"
    assert (page["next_before"], page["running_request_id"]) == (None, None)


async def test_messages_come_by_page_along_one_branch(person: Person) -> None:
    session_id = str(uuid4())
    for number in range(4):
        await person.ask(session_id, f"q{number}", answer=f"a{number}")
    collected: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = await person.messages(session_id, **query)
        collected = [item["parts"][0]["text"] for item in page["items"]] + collected
        if page["next_before"] is None:
            break
        query["before"] = page["next_before"]
    assert collected == ["q0", "a0", "q1", "a1", "q2", "a2", "q3", "a3"]


async def test_branches_of_edited_questions_and_new_answers(person: Person) -> None:
    session_id = str(uuid4())
    first = await person.ask(session_id, "q", answer="a")
    follow_up = await person.ask(session_id, "q2", answer="a2")
    edited = await person.ask(
        session_id, "q2, edited", answer="a2 of the edited", instead_of=follow_up["user_message_id"]
    )
    again = await person.ask(session_id, "", answer="a, again", instead_of=first["answer_message_id"], again=True)

    assert await person.texts(session_id) == ["q", "a, again"]
    assert await person.texts(session_id, branch=first["answer_message_id"]) == [
        "q",
        "a",
        "q2, edited",
        "a2 of the edited",
    ]
    assert await person.texts(session_id, branch=follow_up["user_message_id"]) == ["q", "a", "q2", "a2"]
    assert await person.texts(session_id, branch=follow_up["answer_message_id"]) == ["q", "a", "q2", "a2"]

    old = (await person.messages(session_id, branch=follow_up["user_message_id"]))["items"]
    answers = [str(first["answer_message_id"]), str(again["answer_message_id"])]
    questions = [str(follow_up["user_message_id"]), str(edited["user_message_id"])]
    assert [item["sibling_ids"] for item in old] == [[old[0]["id"]], answers, questions, [old[3]["id"]]]

    # Pages above a message follow its own branch, not the newest.
    assert await person.texts(session_id, before=follow_up["user_message_id"]) == ["q", "a"]
    assert await person.texts(session_id, before=again["answer_message_id"]) == ["q"]


async def test_first_questions_have_siblings_too(person: Person) -> None:
    session_id = str(uuid4())
    first = await person.ask(session_id, "one")
    second = await person.ask(session_id, "two", instead_of=first["user_message_id"])
    newest = (await person.messages(session_id))["items"]
    assert newest[0]["sibling_ids"] == [str(first["user_message_id"]), str(second["user_message_id"])]


async def test_while_an_answer_is_written_its_own_branch_is_shown(person: Person) -> None:
    session_id = str(uuid4())
    first = await person.ask(session_id, "q", answer="a")
    await person.ask(session_id, "q2", answer="a2")
    await person.ask(session_id, "", answer=None, instead_of=first["answer_message_id"], again=True)
    page = await person.messages(session_id)
    # The question alone: its new answer is on the stream, and the newest stored message is on another branch.
    assert [item["parts"][0]["text"] for item in page["items"]] == ["q"]
    assert page["running_request_id"] is not None


async def test_a_message_of_another_conversation_is_not_found(person: Person, stranger: Person) -> None:
    mine, theirs = str(uuid4()), str(uuid4())
    await person.ask(mine, "mine")
    other = await stranger.ask(theirs, "theirs")
    for query in ("branch", "before"):
        reply = await person.api.client.get(
            f"/api/conversations/{mine}/messages", headers=person.headers, params={query: other["user_message_id"]}
        )
        assert refusal(reply) == (404, "message_not_found")


async def test_conversations_of_earlier_versions_are_readable(person: Person, shared_database: Database) -> None:
    session_id = f"{person.id}~abcdefghij"
    async with shared_database.connect() as connection:
        await connection.execute(
            "insert into public.conversations (session_id, user_id) values ($1, $2)", session_id, person.id
        )
        parent: int | None = None
        for kind, content in (("human", "old question"), ("ai", "old answer")):
            parent = await connection.fetchval(
                "insert into public.messages (session_id, parent_id, message) values ($1, $2, $3) returning id",
                session_id,
                parent,
                json.dumps({"type": kind, "content": content, "files": []}),
            )
    page = await person.messages(session_id)
    assert [(item["role"], item["parts"][0]["text"]) for item in page["items"]] == [
        ("user", "old question"),
        ("assistant", "old answer"),
    ]
    assert page["items"][0]["metadata"]["status"] is None


async def test_a_profile_shows_its_owner_and_changes_nothing_but_the_name(person: Person) -> None:
    client, headers = person.api.client, person.headers
    before = (await client.get("/api/profile", headers=headers)).json()
    assert before["id"] == str(person.id)
    assert before["tokens"] == 1000
    wanted = {
        "full_name": " Sample 🌍 ",
        "tokens": 9999,
        "is_admin": True,
        "email": "x@evil.example.com",
        "id": str(uuid4()),
    }
    after = (await client.patch("/api/profile", headers=headers, json=wanted)).json()
    assert after == before | {"full_name": "Sample 🌍"}
    cleared = (await client.patch("/api/profile", headers=headers, json={"full_name": None})).json()
    assert cleared["full_name"] is None
    for name in ("x" * 201, "a\x00b", 5):
        refused = await client.patch("/api/profile", headers=headers, json={"full_name": name})
        assert refusal(refused) == (422, "invalid_request")
    surrogate = await client.patch(
        "/api/profile", headers=headers | {"Content-Type": "application/json"}, content=b'{"full_name": "\\ud800"}'
    )
    assert refusal(surrogate) == (422, "invalid_request")
