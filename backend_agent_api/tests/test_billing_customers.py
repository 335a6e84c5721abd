"""One customer at Stripe for each person, whatever is answered meanwhile."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from agent_api_support.api import refusal
from agent_api_support.billing import STRIPE_AND_HTTPX, Shop, run_sandbox, run_shop

from local_stack.postgres.testing import Database

pytestmark = STRIPE_AND_HTTPX


@pytest.fixture
async def mine(database: Database, tmp_path: Path) -> AsyncGenerator[Shop]:
    """A shop whose database and Stripe are this test's alone, and which asks once."""
    async with run_sandbox(tmp_path) as sandbox, run_shop(database, sandbox, stripe_retries_max=0) as shop:
        yield shop


async def customers(shop: Shop) -> list[dict[str, Any]]:
    return (await shop.stripe_get("/v1/customers", limit=100))["data"]


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/checkout/sessions"])
async def test_a_key_in_use_is_tried_again_and_not_left(mine: Shop, path: str) -> None:
    """Another request under the same key is still under way, and makes what both asked for."""
    user_id, purchase_id = await mine.database.add_user(), uuid4()
    fault = {"kind": "conflict", "method": "POST", "path": path, "applied": True, "times": 2}
    await mine.sandbox.control("POST", "/sandbox/faults", fault)
    for _ in range(2):
        assert refusal(await mine.checkout(user_id, purchase_id)) == (502, "stripe_unavailable")
    answer = await mine.checkout(user_id, purchase_id)
    assert answer.status_code == 200, answer.text
    [session] = await mine.sessions_of(purchase_id)
    [customer] = await customers(mine)
    assert (answer.json()["url"], session["customer"]) == (session["url"], customer["id"])


async def move(shop: Shop, user_id: UUID, email: str) -> None:
    """The account changes its address."""
    async with shop.database.connect("supabase_auth_admin") as connection:
        await connection.execute("update auth.users set email = $2 where id = $1", user_id, email)


async def updates(shop: Shop) -> int:
    return len((await shop.stripe_get("/v1/events", limit=100, type="customer.updated"))["data"])


async def test_who_changes_the_address_pays_under_the_new_one(mine: Shop) -> None:
    user_id = await mine.database.add_user(email="first@example.com")
    for email, told in (
        ("first@example.com", 0),
        ("second@example.com", 1),
        ("second@example.com", 1),
        # And back, which an idempotency key of the address would have taken for done.
        ("first@example.com", 2),
        ("second@example.com", 3),
    ):
        await move(mine, user_id, email)
        await mine.begin(user_id)
        [customer] = await customers(mine)
        assert (customer["email"], await updates(mine)) == (email, told)


async def test_an_address_that_cannot_be_told_stops_no_sale_and_is_told_later(mine: Shop) -> None:
    user_id = await mine.database.add_user(email="first@example.com")
    await mine.begin(user_id)
    await move(mine, user_id, "second@example.com")
    fault = {"kind": "server_error", "method": "POST", "path": "/v1/customers/"}
    await mine.sandbox.control("POST", "/sandbox/faults", fault)
    await mine.buy(user_id)
    [customer] = await customers(mine)
    assert customer["email"] == "first@example.com"
    await mine.begin(user_id)
    [customer] = await customers(mine)
    assert customer["email"] == "second@example.com"
    # Nor one that Stripe has deleted, which is made anew.
    await mine.sandbox.http.delete(
        f"/v1/customers/{customer['id']}", headers={"Authorization": "Bearer sk_test_sandbox_tests"}
    )
    await move(mine, user_id, "third@example.com")
    await mine.begin(user_id)
    [customer] = await customers(mine)
    assert customer["email"] == "third@example.com"
    told = await updates(mine)
    await mine.begin(user_id)
    assert await updates(mine) == told
