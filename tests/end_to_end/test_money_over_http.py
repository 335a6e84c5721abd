"""Two hundred people's worth of haste against one balance, through HTTP and a real process."""

import asyncio
from collections import Counter

from agent_api_support.chat import new_id

from tests.end_to_end.fleet import ApiProcess, Fleet

TURNS, BALANCE = 200, 50


async def test_two_hundred_turns_at_once_on_a_balance_of_fifty(
    fleet: Fleet, pair: tuple[ApiProcess, ApiProcess]
) -> None:
    a, b = pair
    fleet.model.say("at once", ["One ", "answer."])
    user = await fleet.person(a, tokens=BALANCE)
    there = user.at(b.client)

    async def ask(number: int) -> tuple[int, str]:
        person = (user, there)[number % 2]
        reply = await person.post(person.body("at once", session_id=new_id()))
        return reply.status_code, "answer" if b"answer." in reply.content and b"[DONE]" in reply.content else ""

    outcomes = Counter(await asyncio.gather(*(ask(number) for number in range(TURNS))))
    assert outcomes == {(200, "answer"): BALANCE, (402, ""): TURNS - BALANCE}
    assert await user.balance() == 0
    rows = await fleet.books.rows(
        "select status, count(*) as turns from public.requests where user_id = $1 group by status", user.user_id
    )
    assert [tuple(row) for row in rows] == [("done", BALANCE)]
    (left,) = await fleet.books.rows(
        """
        select
            (select count(*) from public.conversations as c where c.user_id = $1) as conversations,
            (select count(*) from public.messages as m join public.conversations as c using (session_id)
             where c.user_id = $1) as messages,
            (select count(*) from public.transactions as t where t.user_id = $1 and t.tokens = -1) as debits
        """,
        user.user_id,
    )
    assert tuple(left) == (BALANCE, 2 * BALANCE, BALANCE), "a refused turn leaves nothing"
    await fleet.books.assert_sound()
