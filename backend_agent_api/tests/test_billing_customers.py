"""One customer at Stripe for each person, whatever is answered meanwhile."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

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
