"""What the doctor asks about selling: the key, the webhook's secrets, and whether the running API holds the same."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httpx
import stripe

from agent_api.billing.client import API_VERSION
from agent_api.doctor.clock import Clock
from agent_api.doctor.findings import Finding, Findings, fail, ok, shown, warn
from agent_api.settings import Settings, split_secrets

HTTP_SECONDS_MAX = 10.0
KEYS_PAGE = "Stripe's Dashboard → Developers → API keys"
SECRETS_PAGE = "Stripe's Dashboard → Webhooks → the endpoint → signing secret, or what `stripe listen` prints"
PROBE = "{}"
"""No event: the signature is checked before this is seen, and nothing is kept of it."""


@dataclass(frozen=True)
class _Answer:
    status: int
    code: str


async def examine_stripe(settings: Settings, clock: Clock) -> Findings:
    """The key, by listing an event, which changes nothing and is among what a restricted key is given."""
    name = "stripe key"
    if settings.stripe_secret_key is None:
        return [warn(name, "STRIPE_SECRET_KEY is not set: nothing is sold", f"set it, from {KEYS_PAGE}")]
    key = settings.stripe_secret_key.get_secret_value()
    if not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        detail = "STRIPE_SECRET_KEY is no secret key (sk_... or rk_...)"
        return [fail(name, detail, f"copy the secret key, not the publishable one, from {KEYS_PAGE}")]
    http_client = stripe.HTTPXClient(timeout=HTTP_SECONDS_MAX)
    client = stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        http_client=http_client,
        max_network_retries=0,
        base_addresses={"api": settings.stripe_api_base} if settings.stripe_api_base else {},
    )
    try:
        events = await client.v1.events.list_async({"limit": 1})
    except stripe.StripeError as error:
        _compare(clock, getattr(error, "headers", None))
        return [_judge_failure(settings, error)]
    finally:
        await http_client.close_async()
    _compare(clock, events.last_response.headers if events.last_response else None)
    return [_judge_mode(settings, is_live="_live_" in key)]


def _compare(clock: Clock, headers: object) -> None:
    # The library gives whatever its HTTP client gave, or nothing: only a mapping holds a date.
    if isinstance(headers, Mapping):
        named = cast("Mapping[str, str]", headers)
        clock.compare_header("Stripe", httpx.Headers(named).get("date"))


def _judge_failure(settings: Settings, error: stripe.StripeError) -> Finding:
    name, where = "stripe key", shown(settings.stripe_api_base or "https://api.stripe.com")
    if isinstance(error, stripe.AuthenticationError):
        cure = f"copy STRIPE_SECRET_KEY anew from {KEYS_PAGE}; it was rolled, or has lost characters"
        return fail(name, f"{where} refuses it (401)", cure)
    if isinstance(error, stripe.PermissionError):
        cure = (
            "give the restricted key Checkout Sessions and Customers (write), and docs/stripe-setup.md's others (read)"
        )
        return warn(name, f"{where} accepts it and does not let it read events", cure)
    if isinstance(error, stripe.APIConnectionError):
        cure = "let this machine out to Stripe; with a stand-in, correct STRIPE_API_BASE and start it"
        return fail(name, f"{where} is not reached", cure)
    cure = "see status.stripe.com and the Dashboard's request log, then run this again"
    return fail(name, f"{where} answers {type(error).__name__} ({error.http_status})", cure)


def _judge_mode(settings: Settings, *, is_live: bool) -> Finding:
    name, mode = "stripe key", "live" if is_live else "test"
    if settings.environment == "production" and not is_live:
        cure = f"put the live key of {KEYS_PAGE} in, with the live endpoint's secret"
        return warn(name, "a test key with ENVIRONMENT=production: no money moves", cure)
    if settings.environment != "production" and is_live:
        cure = "set ENVIRONMENT=production where customers pay; elsewhere use a test key"
        return warn(name, f"a live key with ENVIRONMENT={settings.environment}: real money moves", cure)
    return ok(name, f"{mode} key accepted by {shown(settings.stripe_api_base or 'https://api.stripe.com')}")


async def examine_webhook(settings: Settings, api_url: str) -> Findings:
    """Whether the running API holds the same secrets: a signed body that is no event is refused as such."""
    if settings.stripe_webhook_secret is None:
        if settings.stripe_secret_key is None:
            return []
        cure = f"set it, from {SECRETS_PAGE}"
        return [fail("webhook secret", "STRIPE_WEBHOOK_SECRET is not set: payments are not noticed", cure)]
    secrets = split_secrets(settings.stripe_webhook_secret)
    findings = [ok("webhook secret", f"{len(secrets)} set")]
    if len(secrets) > 1:
        cure = "once Stripe's old secret has expired, leave only the new one"
        findings = [warn("webhook secret", "two are set, as during a rotation", cure)]
    try:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS_MAX) as client:
            wrong = await _deliver(client, api_url, "whsec_of_nobody")
            right = [await _deliver(client, api_url, secret) for secret in secrets]
    except httpx.HTTPError as error:
        cure = "start the API, or correct API_URL"
        return [*findings, fail("webhook", f"{shown(api_url)} is not reached ({type(error).__name__})", cure)]
    return [*findings, _judge_webhook(shown(f"{api_url}/api/webhook/stripe"), wrong, right)]


async def _deliver(client: httpx.AsyncClient, api_url: str, secret: str) -> _Answer:
    signature: str = stripe.WebhookSignature.generate_signature_header(PROBE, secret, int(time.time()))  # pyright: ignore[reportUnknownMemberType] - untyped there
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    response = await client.post(f"{api_url}/api/webhook/stripe", content=PROBE, headers=headers)
    try:
        code = str(json.loads(response.content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        code = ""
    return _Answer(response.status_code, code)


def _judge_webhook(where: str, wrong: _Answer, right: list[_Answer]) -> Finding:
    name = "webhook"
    if wrong.code == "billing_unavailable":
        cure = "restart the API with STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET in its environment"
        return fail(name, f"{where}: the running API has no Stripe keys", cure)
    if wrong != _Answer(400, "invalid_signature"):
        cure = "let API_URL name the agent API, and see that a proxy leaves /api/webhook/stripe as it is"
        return fail(name, f"{where} answers {wrong.status} to a wrong signature, not our 400", cure)
    refused = sum(answer != _Answer(400, "invalid_event") for answer in right)
    if refused:
        cure = (
            f"restart the API after changing STRIPE_WEBHOOK_SECRET; compare it with {SECRETS_PAGE};"
            " see that a proxy does not change bodies, and that the clock is right"
        )
        return fail(name, f"{where} refuses {refused} of {len(right)} secrets: the running API's secret differs", cure)
    return ok(name, f"{where} knows our signature and refuses others")
