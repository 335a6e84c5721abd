"""Stripe over HTTP: its objects go in and out as the types of `objects`, its failures as three exceptions.

What others make in the account may look otherwise than what is read here: lists give objects as they came.
Every call has a deadline, is repeated by the library where that is safe, and carries an idempotency key where it makes
something.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import stripe
import structlog
from pydantic import BaseModel, ValidationError

from agent_api.billing.marks import metadata_in
from agent_api.billing.objects import CheckoutSession, Dispute, PaymentIntent, Refund
from agent_api.settings import Settings

if TYPE_CHECKING:
    from stripe.params import CustomerCreateParams, EventListParams, PaymentIntentListParams, RefundListParams
    from stripe.params.checkout import SessionCreateParams

log = structlog.stdlib.get_logger(__name__)

API_VERSION = "2026-10-28.endive"
"""Replies are read as this version shapes them, whatever the account's default is."""
PAGE_LIMIT = 100

Object = TypeVar("Object", bound=BaseModel)
Reply = TypeVar("Reply", bound="stripe.StripeObject")


class StripeFailure(Exception):
    """A request to Stripe failed; the text is the kind of failure only. Trying again later may help."""


class KeyUsedUp(StripeFailure):
    """Stripe has an answer other than success for this idempotency key and may repeat it."""


class NoSuchObject(StripeFailure):
    """Stripe does not know an object that was named; `parameter` says where."""

    def __init__(self, kind: str, parameter: str | None) -> None:
        super().__init__(kind)
        self.parameter = parameter


class Unreadable(StripeFailure):
    """An object is there and does not have the shape that the pinned version documents. Trying again does not help."""


def _failure(error: stripe.StripeError) -> StripeFailure:
    kind = type(error).__name__
    if isinstance(error, stripe.InvalidRequestError) and error.code == "resource_missing":
        parameter: object = getattr(error, "param", None)
        return NoSuchObject(kind, parameter if isinstance(parameter, str) else None)
    # 409 is another request under the same key, still under way. A refusal may be kept like Stripe's own failures (an
    # account that was not set up yet); nothing was made, so nothing can be made twice.
    is_own_failure = isinstance(error, stripe.APIError) and (error.http_status or 0) >= 500
    if is_own_failure or isinstance(error, stripe.IdempotencyError | stripe.InvalidRequestError):
        return KeyUsedUp(kind)
    return StripeFailure(kind)


def _is_our_fault(error: stripe.StripeError) -> bool:
    return isinstance(error, stripe.AuthenticationError | stripe.PermissionError | stripe.InvalidRequestError)


class StripeGateway:
    """What this service asks of Stripe."""

    def __init__(
        self, client: stripe.StripeClient, *, livemode: bool, deadline_seconds: float, at_once_max: int
    ) -> None:
        self._client = client
        self.livemode = livemode
        self._deadline_seconds = deadline_seconds
        self._places = asyncio.Semaphore(at_once_max)

    async def _ask(self, request: Awaitable[Reply]) -> Reply:
        try:
            # The wait for a place counts: a person is waiting too.
            async with asyncio.timeout(self._deadline_seconds), self._places:
                return await request
        except stripe.StripeError as error:
            failure = _failure(error)
            fault = _is_our_fault(error) and not isinstance(failure, NoSuchObject)
            write = log.error if fault else log.warning
            write(
                "stripe_request_failed",
                kind=type(error).__name__,
                status=error.http_status,
                code=error.code,
                stripe_request_id=error.request_id,
            )
            raise failure from error
        except TimeoutError as error:
            log.warning("stripe_request_failed", kind="TimeoutError")
            raise StripeFailure("TimeoutError") from error

    async def _get(self, kind: type[Object], request: Awaitable[Reply]) -> Object:
        return read_object(kind, (await self._ask(request)).to_dict())

    async def create_customer(self, params: "CustomerCreateParams", *, idempotency_key: str) -> str:
        """Make a customer; gives its id."""
        made = await self._ask(self._client.v1.customers.create_async(params, {"idempotency_key": idempotency_key}))
        return made.id

    async def change_address(self, customer_id: str, email: str) -> None:
        """Tell a customer's address. Under no key of ours: told again, the same holds, and one may come back to it."""
        await self._ask(self._client.v1.customers.update_async(customer_id, {"email": email}))

    async def create_checkout_session(self, params: "SessionCreateParams", *, idempotency_key: str) -> CheckoutSession:
        """Make a hosted page, or get the one that was made under this key."""
        options: stripe.RequestOptions = {"idempotency_key": idempotency_key}
        return await self._get(CheckoutSession, self._client.v1.checkout.sessions.create_async(params, options))

    async def retrieve_checkout_session(self, session_id: str) -> CheckoutSession:
        """Raises NoSuchObject."""
        return await self._get(CheckoutSession, self._client.v1.checkout.sessions.retrieve_async(session_id))

    async def retrieve_payment_intent(self, payment_intent_id: str) -> PaymentIntent:
        """With its charge. Raises NoSuchObject."""
        request = self._client.v1.payment_intents.retrieve_async(payment_intent_id, {"expand": ["latest_charge"]})
        return await self._get(PaymentIntent, request)

    async def metadata_of_payment_intent(self, payment_intent_id: str) -> dict[str, str]:
        """All that must be readable of a payment which may be somebody else's. Raises NoSuchObject."""
        found = await self._ask(self._client.v1.payment_intents.retrieve_async(payment_intent_id))
        return metadata_in(found.to_dict())

    async def list_refunds(self, payment_intent_id: str) -> list[Refund]:
        """All of a payment."""
        params: RefundListParams = {"payment_intent": payment_intent_id, "limit": PAGE_LIMIT}
        found: list[Refund] = []
        while True:
            page = await self._ask(self._client.v1.refunds.list_async(params))
            found += [read_object(Refund, item.to_dict()) for item in page.data]
            if not page.has_more or not page.data:
                return found
            params["starting_after"] = page.data[-1].id

    async def list_disputes(self, payment_intent_id: str) -> list[Dispute]:
        """Of a payment; Stripe knows a handful at most."""
        request = self._client.v1.disputes.list_async({"payment_intent": payment_intent_id, "limit": PAGE_LIMIT})
        return [read_object(Dispute, item.to_dict()) for item in (await self._ask(request)).data]

    async def pages_of_events(self, *, types: Sequence[str], since: datetime) -> AsyncIterator[list[dict[str, Any]]]:
        """Events of these types, newest first, as Stripe shows them; at most 30 days back."""
        params: EventListParams = {
            "types": list(types),
            "created": {"gte": int(since.timestamp())},
            "limit": PAGE_LIMIT,
        }
        while True:
            page = await self._ask(self._client.v1.events.list_async(params))
            yield [item.to_dict() for item in page.data]
            if not page.has_more or not page.data:
                return
            params["starting_after"] = page.data[-1].id

    async def pages_of_payment_intents(self, *, since: datetime) -> AsyncIterator[list[dict[str, Any]]]:
        """Payments begun since then, anybody's, with their charges, newest first, as Stripe shows them."""
        params: PaymentIntentListParams = {
            "created": {"gte": int(since.timestamp())},
            "limit": PAGE_LIMIT,
            "expand": ["data.latest_charge"],
        }
        while True:
            page = await self._ask(self._client.v1.payment_intents.list_async(params))
            yield [item.to_dict() for item in page.data]
            if not page.has_more or not page.data:
                return
            params["starting_after"] = page.data[-1].id


def read_object(kind: type[Object], body: dict[str, Any]) -> Object:
    """An object as the type it is read as. Raises Unreadable."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        log.error("stripe_reply_unreadable", object=kind.__name__, exc_info=error)
        raise Unreadable("unexpected shape") from error


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncGenerator[StripeGateway]:
    """A client of Stripe, or of the stand-in that STRIPE_API_BASE names. Needs STRIPE_SECRET_KEY."""
    assert settings.stripe_secret_key is not None, "the caller checked it"
    key = settings.stripe_secret_key.get_secret_value()
    http_client = stripe.HTTPXClient(
        timeout=httpx.Timeout(settings.stripe_timeout_seconds, connect=settings.stripe_connect_timeout_seconds)
    )
    client = stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        http_client=http_client,
        # The module-wide setting does not reach a client of its own.
        max_network_retries=settings.stripe_retries_max,
        base_addresses={"api": settings.stripe_api_base} if settings.stripe_api_base else {},
    )
    try:
        yield StripeGateway(
            client,
            livemode="_live_" in key,
            deadline_seconds=settings.stripe_deadline_seconds,
            at_once_max=settings.stripe_requests_at_once_max,
        )
    finally:
        await http_client.close_async()
