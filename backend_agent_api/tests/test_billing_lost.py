"""A database that is older than what was sold: what people paid is found at Stripe, and brought back by an operator."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from agent_api_support.billing import STRIPE_AND_HTTPX, Shop, reconcile, run_shop

from local_stack.postgres.testing import Database

pytestmark = STRIPE_AND_HTTPX
PAGE = Path(__file__).resolve().parents[2] / "docs" / "stripe-setup.md"


async def bring_back(database: Database) -> list[int]:
    """As docs/stripe-setup.md says it; the packs that were begun again."""
    blocks = [block.partition("```")[0] for block in PAGE.read_text(encoding="utf-8").split("```sql\n")[1:]]
    [found] = [block for block in blocks if "public.begin_purchase(" in block]
    async with database.connect() as connection:
        return sorted(row["pack_tokens"] for row in await connection.fetch(found))


async def add_account(database: Database, user_id: UUID) -> None:
    """The account that another database has too."""
    async with database.connect("supabase_auth_admin") as connection:
        await connection.execute(
            "insert into auth.users (id, email, raw_user_meta_data) values ($1, $2, '{}')",
            *(user_id, f"{user_id}@example.com"),
        )


async def test_purchases_that_a_backup_does_not_know_are_brought_back(
    mine: Shop, clone_database: Callable[[str], Database], product_template: str
) -> None:
    known, newcomer = await mine.database.add_user(), await mine.database.add_user()
    whole, partly = await mine.buy(known, "tier_2"), await mine.buy(known)
    await mine.refund(partly, 250)
    lost = await mine.buy(newcomer)
    # A backup from before the first sale, and before somebody signed up.
    backup = clone_database(product_template)
    await add_account(backup, known)
    async with run_shop(backup, mine.sandbox) as restored:
        # Of an account that others may use too, what was paid is enough to begin with.
        assert (await reconcile(restored)).events.listed == 3
        for _ in range(2):
            report = await reconcile(restored)
            assert (report.drift, report.flagged.payments, report.ours.purchases) == (0, 3, 0)
        assert await restored.balance(known) == 0
        # Whoever buys meanwhile does not hide what is older.
        await restored.buy(known, "tier_3")
        for _ in range(2):
            assert await bring_back(backup) == [100, 250]
        for _ in range(2):
            report = await reconcile(restored)
            assert (report.drift, report.audit_faults, report.flagged.payments) == (0, 0, 1)
            assert (report.ours, report.ours.purchases) == (report.stripe, 3)
            assert await restored.balance(known) == 600 + 250 + 50
        assert (await restored.purchase(known, whole))["tokens_credited"] == 250
        assert await bring_back(backup) == []
        # Of whoever has no account here the money is given back.
        await mine.refund(lost)
        report = await reconcile(restored)
        assert (report.is_clean, report.flagged.payments) == (True, 0)
        assert await restored.audit() == []


async def test_what_is_begun_again_for_somebody_else_stays_flagged(
    mine: Shop, clone_database: Callable[[str], Database], product_template: str
) -> None:
    purchase_id = await mine.buy(await mine.database.add_user())
    backup = clone_database(product_template)
    other_id = await backup.add_user()
    async with run_shop(backup, mine.sandbox) as restored:
        assert (await reconcile(restored)).flagged.payments == 1
        async with backup.connect() as connection:
            begin = "select public.begin_purchase($1, $2, 'tier_1', 100, 500, 'usd', false, 10, 3600)"
            await connection.execute(begin, other_id, purchase_id)
        for _ in range(2):
            report = await reconcile(restored)
            assert (report.drift, report.flagged.payments) == (0, 1)
        async with backup.connect() as connection:
            assert await connection.fetchval("select reason from public.payment_flags") == "user_mismatch"
        assert await restored.balance(other_id) == 0
