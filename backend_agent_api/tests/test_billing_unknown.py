"""Payments that our books hold and Stripe does not: told, taken back or kept by an operator, and then no drift."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from agent_api_support.billing import (
    STRIPE_AND_HTTPX,
    Shop,
    deliver,
    event_about,
    marks,
    payment_intent,
    reconcile,
    run_sandbox,
    run_shop,
)

from agent_api.billing.reconcile import render

pytestmark = STRIPE_AND_HTTPX
PAGE = Path(__file__).resolve().parents[2] / "docs" / "stripe-setup.md"
ADMIN = "you@yourdomain.com"


async def add_admin(shop: Shop) -> UUID:
    admin_id = await shop.database.add_user(email=ADMIN)
    async with shop.database.connect() as connection:
        await connection.execute("update public.user_profiles set is_admin = true where id = $1", admin_id)
    return admin_id


async def flags(shop: Shop, admin_id: UUID) -> list[tuple[str, str, str]]:
    """Payments that an operator is told of, with why and of which purchase."""
    answer = await shop.api.client.get("/api/admin/reconciliation", headers=shop.api.headers(admin_id))
    listed: list[dict[str, Any]] = answer.json()["flagged_payments"]
    return [(each["payment_intent_id"], each["reason"], each["purchase_id"]) for each in listed]


async def run_statements(shop: Shop, containing: str, **values: str) -> None:
    """What docs/stripe-setup.md says to run."""
    blocks = [block.partition("```")[0] for block in PAGE.read_text(encoding="utf-8").split("```sql\n")[1:]]
    [found] = [block for block in blocks if containing in block]
    for name, value in values.items():
        assert name in found
        found = found.replace(name, value)
    async with shop.database.connect() as connection:
        await connection.execute(found)


async def test_a_forged_payment_is_flagged_taken_back_and_then_no_drift(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    honest = await mine.buy(user_id)
    body = payment_intent(marks(purchase_id, user_id))
    await deliver(mine.api, event_about("payment_intent.succeeded", body))
    assert await mine.balance(user_id) == 200
    for _ in range(2):
        report = await reconcile(mine)
        assert (report.drift, report.unknown.payments, report.is_clean) == (1, 0, False)
        assert await flags(mine, admin_id) == [(body["id"], "payment_unknown_to_stripe", str(purchase_id))]
    await run_statements(mine, "pi_of_the_forged_event", pi_of_the_forged_event=body["id"])
    assert await mine.balance(user_id) == 100
    assert (await reconcile(mine)).drift == 1
    path = f"/api/admin/payment-flags/{body['id']}/acknowledge"
    done = await mine.api.client.post(path, json={"note": "forged"}, headers=mine.api.headers(admin_id))
    assert done.status_code == 200, done.text
    for _ in range(2):
        report = await reconcile(mine)
        assert (report.drift, report.audit_faults, report.is_clean) == (0, 0, True)
        assert report.unknown.model_dump() == {"payments": 1, "paid_minor": 500, "tokens": 0}
        assert (report.ours, report.ours.purchases) == (report.stripe, 1)
        assert "unknown          1 payments, 5.00, 0 tokens" in render(report)
        assert await flags(mine, admin_id) == []
    assert (await mine.purchase(user_id, honest))["tokens_credited"] == 100


async def test_asked_with_another_accounts_key_all_are_flagged_until_the_key_is_right(
    mine: Shop, tmp_path: Path
) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    bought = [await mine.buy(user_id) for _ in range(2)]
    (tmp_path / "other").mkdir()
    async with run_sandbox(tmp_path / "other") as sandbox, run_shop(mine.database, sandbox) as other:
        assert (await reconcile(other)).drift == 2
        assert {each[1:] for each in await flags(mine, admin_id)} == {
            ("payment_unknown_to_stripe", str(purchase_id)) for purchase_id in bought
        }
        report = await reconcile(mine)
        assert (report.is_clean, report.ours.purchases, report.ours) == (True, 2, report.stripe)
        assert await flags(mine, admin_id) == []
        # Meant so: what was paid before the move stays with its account.
        await reconcile(other)
        await run_statements(mine, "'moved'")
        report = await reconcile(other)
    assert (report.is_clean, report.unknown.model_dump()) == (
        True,
        {"payments": 2, "paid_minor": 1000, "tokens": 200},
    )
    assert await flags(mine, admin_id) == []
    assert await mine.balance(user_id) == 200


async def test_a_payment_that_is_known_again_still_says_that_its_account_is_deleted(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    purchase_id, url = await mine.begin(user_id)
    await mine.submit(url)
    await mine.database.delete_user(user_id)
    assert (await reconcile(mine)).drift == 0
    [(payment_intent_id, *told)] = await flags(mine, admin_id)
    assert told == ["account_deleted", str(purchase_id)]
    async with mine.database.connect() as connection:
        flag = "select public.flag_unknown_payment($1, $2, true)"
        assert await connection.fetchval(flag, purchase_id, payment_intent_id) is False
        assert [each[1] for each in await flags(mine, admin_id)] == ["payment_unknown_to_stripe"]
        # Of no purchase that was paid with it: nothing is raised.
        assert await connection.fetchval(flag, uuid4(), payment_intent_id) is False
        assert await connection.fetchval(flag, purchase_id, "pi_of_another") is False
    assert (await reconcile(mine)).is_clean
    assert await flags(mine, admin_id) == [(payment_intent_id, *told)]
