"""From a pack and a purchase_id to the address of a hosted page, once."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from agent_api.billing import queries
from agent_api.billing.client import KeyUsedUp, NoSuchObject, StripeFailure, StripeGateway
from agent_api.billing.errors import StripeUnavailable
from agent_api.billing.marks import Marks
from agent_api.billing.packages import PACKAGES, Tier
from agent_api.database import Database
from agent_api.errors import PurchaseClosed
from agent_api.settings import Settings

if TYPE_CHECKING:
    from stripe.params import CustomerCreateParams
    from stripe.params.checkout import SessionCreateParams

log = structlog.stdlib.get_logger(__name__)

ATTEMPTS_MAX = 3
"""A customer deleted in Stripe costs one; what still fails then is not about customers."""


class Checkout:
    """Makes hosted pages. One per process."""

    def __init__(self, database: Database, gateway: StripeGateway, settings: Settings) -> None:
        self._database = database
        self._gateway = gateway
        self._settings = settings
        self._marks = Marks.of_installation(settings)
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def start(self, *, user_id: UUID, tier: Tier, purchase_id: UUID) -> str:
        """The address where this purchase is paid.

        Every step is either committed or repeatable under the same key at Stripe, so that a retry, a double click and a
        crash anywhere in between lead to the same page. Raises StripeUnavailable, and what begin_purchase refuses with.
        """
        # Stripe refuses a key that is in use: a double click waits here. Between processes the client's retries wait.
        turn = self._turns.setdefault(user_id, asyncio.Lock())
        try:
            async with asyncio.timeout(self._settings.stripe_deadline_seconds):
                await turn.acquire()
        except TimeoutError as error:
            raise StripeUnavailable from error
        try:
            return await self._start(user_id, tier, purchase_id)
        finally:
            turn.release()

    async def _start(self, user_id: UUID, tier: Tier, purchase_id: UUID) -> str:
        for _ in range(ATTEMPTS_MAX):
            begun = await self._begin(user_id, tier, purchase_id)
            if begun.checkout_url is not None:
                return begun.checkout_url
            try:
                return await self._open_page(user_id, tier, purchase_id, begun)
            except NoSuchObject as error:
                if error.parameter != "customer":
                    raise StripeUnavailable from error
                await self._leave_customer(user_id, begun)
                await self._leave_key(purchase_id, begun)
            except KeyUsedUp as error:
                await self._leave_key(purchase_id, begun)
                raise StripeUnavailable from error
            except StripeFailure as error:
                return await self._page_of_another_process(user_id, tier, purchase_id, error)
        raise StripeUnavailable

    async def _begin(self, user_id: UUID, tier: Tier, purchase_id: UUID) -> queries.BegunPurchase:
        async with self._database.statement() as connection:
            return await queries.begin_purchase(
                connection,
                user_id=user_id,
                purchase_id=purchase_id,
                package=PACKAGES[tier],
                livemode=self._gateway.livemode,
                limit=self._settings.purchases_per_window_max,
                window_seconds=self._settings.purchase_window_seconds,
            )

    async def _open_page(self, user_id: UUID, tier: Tier, purchase_id: UUID, begun: queries.BegunPurchase) -> str:
        if begun.customer_id is None:
            customer_id = await self._make_customer(user_id, begun)
        else:
            customer_id = begun.customer_id
            await self._tell_address(user_id, customer_id, begun.email)
        session = await self._gateway.create_checkout_session(
            self._session_params(user_id, tier, purchase_id, begun, customer_id),
            idempotency_key=f"checkout:{purchase_id}:{begun.checkout_attempt}",
        )
        if session.url is None:
            raise KeyUsedUp("no address")
        async with self._database.transaction() as connection:
            kept = await queries.record_checkout(
                connection,
                purchase_id=purchase_id,
                session_id=session.id,
                url=session.url,
                expires_at=datetime.fromtimestamp(session.expires_at, UTC),
            )
        if kept is None:
            raise PurchaseClosed
        return kept

    async def _make_customer(self, user_id: UUID, begun: queries.BegunPurchase) -> str:
        params: CustomerCreateParams = {"metadata": self._marks.of_customer(user_id)}
        if begun.email:
            params["email"] = begun.email
        generation = begun.customer_generation
        try:
            customer_id = await self._gateway.create_customer(
                params, idempotency_key=f"customer:{user_id}:{generation}"
            )
        except KeyUsedUp:
            await self._leave_customer(user_id, begun)
            raise
        async with self._database.statement() as connection:
            await queries.keep_customer(
                connection, user_id=user_id, customer_id=customer_id, generation=generation, email=begun.email
            )
        return customer_id

    async def _tell_address(self, user_id: UUID, customer_id: str, email: str | None) -> None:
        """Where the account's address has changed, Stripe's receipts follow it. No failure of that stops the sale."""
        if not email:
            return
        async with self._database.statement() as connection:
            if await queries.has_address(connection, user_id=user_id, customer_id=customer_id, email=email):
                return
        try:
            await self._gateway.change_address(customer_id, email)
        except StripeFailure as error:
            log.warning("stripe_customer_address_not_changed", kind=str(error))
            return
        async with self._database.statement() as connection:
            await queries.keep_address(connection, user_id=user_id, customer_id=customer_id, email=email)

    def _session_params(
        self, user_id: UUID, tier: Tier, purchase_id: UUID, begun: queries.BegunPurchase, customer_id: str
    ) -> "SessionCreateParams":
        # Nothing here may change between two attempts under one key, so nothing depends on the clock.
        metadata = self._marks.of_purchase(purchase_id=purchase_id, user_id=user_id, tier=tier)
        name = f"{begun.pack_tokens} tokens"
        site = self._settings.frontend_url
        return {
            "mode": "payment",
            "ui_mode": "hosted_page",
            "customer": customer_id,
            "client_reference_id": str(purchase_id),
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": begun.currency,
                        "unit_amount": begun.price_minor,
                        "product_data": {"name": name},
                    },
                }
            ],
            # Each of these would change what is paid, and with it what the payment is compared with.
            "adaptive_pricing": {"enabled": False},
            "automatic_tax": {"enabled": False},
            "allow_promotion_codes": False,
            "metadata": metadata,
            # A payment intent does not inherit its session's metadata.
            "payment_intent_data": {"metadata": metadata, "description": name},
            "success_url": f"{site}/payment-success?purchase_id={purchase_id}",
            "cancel_url": f"{site}/payment-failure?purchase_id={purchase_id}",
        }

    async def _leave_customer(self, user_id: UUID, begun: queries.BegunPurchase) -> None:
        """The next attempt makes another customer."""
        async with self._database.statement() as connection:
            await queries.keep_customer(
                connection, user_id=user_id, customer_id=None, generation=begun.customer_generation + 1
            )

    async def _leave_key(self, purchase_id: UUID, begun: queries.BegunPurchase) -> None:
        async with self._database.statement() as connection:
            await queries.use_next_checkout_key(connection, purchase_id=purchase_id, attempt=begun.checkout_attempt)

    async def _page_of_another_process(self, user_id: UUID, tier: Tier, purchase_id: UUID, error: StripeFailure) -> str:
        """Where another process held the key meanwhile, its page is there now."""
        begun = await self._begin(user_id, tier, purchase_id)
        if begun.checkout_url is None:
            raise StripeUnavailable from error
        return begun.checkout_url
