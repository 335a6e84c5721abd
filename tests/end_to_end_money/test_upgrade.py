"""What was paid in an earlier version's shop while it was upgraded: kept, told, and credited once, by an operator."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from agent_api_support.billing import (
    STRIPE_AND_HTTPX,
    Shop,
    billing_settings,
    deliver,
    event_about,
    payment_intent,
    run_shop,
)

from agent_api.doctor.clock import Clock
from agent_api.doctor.database import examine_database
from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import RunningSandbox
from tests.sql.schema import apply, upgrade_scripts
from tests.sql.test_install import OLD_VERSIONS, USER, make_old

pytestmark = STRIPE_AND_HTTPX
PAGE = Path(__file__).resolve().parents[2] / "docs" / "stripe-setup.md"
NAME = "earlier payments"


def statements() -> tuple[str, str]:
    """What docs/stripe-setup.md lists such payments with, and credits one with."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```sql\n")[1:]]
    [listing] = [block for block in blocks if "'ignored'" in block]
    [credit] = [block for block in blocks if "grant_tokens_for_purchase" in block]
    return listing, credit


async def told(shop: Shop) -> list[str]:
    """What the doctor says about it."""
    found = await examine_database(billing_settings(shop.database.dsn(), api_base=shop.sandbox.url), Clock())
    assert {finding.level for finding in found if finding.name == NAME} <= {"warn"}
    return [f"{finding.detail}: {finding.cure}" for finding in found if finding.name == NAME]


async def test_a_payment_under_way_during_an_upgrade_is_told_and_credited_once_by_hand(
    empty_database: Database, sandbox: RunningSandbox
) -> None:
    make_old(empty_database, OLD_VERSIONS["with payments"])
    apply(empty_database, *upgrade_scripts())
    listing, credit = statements()
    shape = {"user_id": str(USER).upper(), "tier": "tier_2", "tokens": "250"}
    # One that the earlier version has credited itself, one of somebody else, one without what that version wrote.
    others = [
        payment_intent(shape, id="pi_1"),
        payment_intent({**shape, "user_id": str(uuid4())}),
        payment_intent({"user_id": str(USER)}),
        payment_intent({**shape, "app": "another"}),
    ]
    async with run_shop(empty_database, sandbox) as shop, empty_database.connect() as connection:
        for body in others:
            await deliver_ignored(shop, body)
        assert await connection.fetch(listing) == []
        assert await told(shop) == []
        missed = payment_intent(shape, amount=1000, amount_received=1000)
        event = await deliver_ignored(shop, missed)
        # Several events may tell of it.
        await deliver_ignored(shop, missed)
        assert await shop.balance(USER) == 97
        rows = [row for row in await connection.fetch(listing) if row["event_id"] == event["id"]]
        assert [(row["payment_intent_id"], str(row["user_id"]), row["tokens"], row["paid_minor"]) for row in rows] == [
            (missed["id"], str(USER), "250", "1000")
        ]
        [line] = await told(shop)
        assert line.startswith("1 made in the version before the upgrade")
        assert "docs/stripe-setup.md, section 6" in line
        for marker, value in (
            ("the-user-id", str(USER)),
            ("100", "250"),
            ("evt_of_the_payment", event["id"]),
            ("pi_of_the_payment", missed["id"]),
        ):
            credit = credit.replace(marker, value)
        answers = [tuple(row) for _ in range(2) for row in await connection.fetch(credit)]
        assert answers == [(True, 347, None), (True, 347, "Already processed")]
        assert await shop.balance(USER) == 347
        assert await connection.fetch(listing) == []
        assert await told(shop) == []
        assert await shop.audit() == []


async def deliver_ignored(shop: Shop, body: dict[str, Any]) -> dict[str, Any]:
    event = event_about("payment_intent.succeeded", body)
    assert (await deliver(shop.api, event)).json() == {"status": "ignored"}
    return event
