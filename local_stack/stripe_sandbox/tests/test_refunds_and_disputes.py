"""Money that goes back, by the shop, by a bank, by a customer."""

from typing import Any

import pytest
import stripe

from local_stack.stripe_sandbox.tests.running import RunningSandbox
from local_stack.stripe_sandbox.tests.shop import buy, event_types


async def _charge(client: stripe.StripeClient, intent: dict[str, Any]) -> stripe.Charge:
    return await client.v1.charges.retrieve_async(intent["latest_charge"])


async def test_refunds_add_up_and_never_exceed_the_charge(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await buy(client, sandbox)
    first = await client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 200})
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 200, intent["id"])
    charge = await _charge(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (200, False)

    with pytest.raises(stripe.InvalidRequestError, match=r"Refund amount \(\$3.01\) is greater than .* \(\$3.00\)"):
        await client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 301})

    rest = await client.v1.refunds.create_async({"charge": charge.id, "reason": "requested_by_customer"})
    assert rest.amount == 300
    charge = await _charge(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (500, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent["id"]})
    assert refused.value.code == "charge_already_refunded"
    listed = await client.v1.refunds.list_async({"payment_intent": intent["id"]})
    assert [refund.id for refund in listed.data] == [rest.id, first.id]
    assert (await event_types(client)).count("charge.refunded") == 2


async def test_a_refund_that_fails_gives_the_money_back_to_the_account(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    intent = await buy(client, sandbox)
    refund = await client.v1.refunds.create_async({"payment_intent": intent["id"]})
    await sandbox.control("POST", f"/sandbox/refunds/{refund.id}/fail", {})
    failed = await client.v1.refunds.retrieve_async(refund.id)
    charge = await _charge(client, intent)
    assert (failed.status, charge.amount_refunded, charge.refunded) == ("failed", 0, False)
    assert "refund.failed" in await event_types(client)


async def test_an_unpaid_intent_cannot_be_refunded(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await client.v1.payment_intents.create_async({"amount": 500, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        await client.v1.refunds.create_async({"payment_intent": intent.id})


@pytest.mark.parametrize(("verdict", "last_events"), [("win", 2), ("lose", 1)])
async def test_a_dispute_is_opened_and_decided_through_the_controls(
    client: stripe.StripeClient, sandbox: RunningSandbox, verdict: str, last_events: int
) -> None:
    intent = await buy(client, sandbox)
    await client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 100})
    opened = await sandbox.control("POST", f"/sandbox/charges/{intent['latest_charge']}/dispute", {})
    assert (opened["amount"], opened["status"]) == (400, "needs_response")
    assert (await _charge(client, intent)).disputed
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent["id"]})
    assert refused.value.code == "charge_disputed"

    await sandbox.control("POST", f"/sandbox/disputes/{opened['id']}/{verdict}", {})

    dispute = await client.v1.disputes.retrieve_async(opened["id"])
    assert dispute.status == {"win": "won", "lose": "lost"}[verdict]
    expected = ["charge.dispute.closed", "charge.dispute.funds_reinstated"][:last_events]
    assert (await event_types(client))[-last_events:] == expected
    again = await sandbox.http.post(f"/sandbox/disputes/{opened['id']}/win", json={})
    assert again.status_code == 400 and "already closed" in again.text


@pytest.mark.parametrize(("words", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
async def test_documented_evidence_decides_a_dispute(
    client: stripe.StripeClient, sandbox: RunningSandbox, words: str, status: str
) -> None:
    intent = await buy(client, sandbox, "4000 0000 0000 2685")
    dispute = (await client.v1.disputes.list_async({"payment_intent": intent["id"]})).data[0]
    decided = await client.v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": words}})
    assert (dispute.reason, decided.status) == ("product_not_received", status)


async def test_a_lost_dispute_is_appealed_and_the_bank_keeps_the_money(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    intent = await buy(client, sandbox, "4000 0000 0000 0259")
    dispute = (await client.v1.disputes.list_async({"payment_intent": intent["id"]})).data[0]
    early = await sandbox.http.post(f"/sandbox/disputes/{dispute.id}/appeal", json={})
    assert early.status_code == 400 and "Only a lost dispute" in early.text
    await client.v1.disputes.close_async(dispute.id)
    appealed = await sandbox.control("POST", f"/sandbox/disputes/{dispute.id}/appeal", {})
    assert appealed["status"] == "appeal_needs_response"
    assert [line["amount"] for line in appealed["balance_transactions"]] == [-500]
    words = "something else"
    decided = await client.v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": words}})
    assert decided.status == "appeal_under_review"
    assert (await client.v1.balance.retrieve_async()).available[0].amount == 0
    await sandbox.control("POST", f"/sandbox/disputes/{dispute.id}/win", {})
    assert (await client.v1.balance.retrieve_async()).available[0].amount == 500


async def test_a_prevented_dispute_is_over_at_once_and_costs_the_money(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    intent = await buy(client, sandbox)
    path = f"/sandbox/charges/{intent['latest_charge']}/dispute"
    prevented = await sandbox.control("POST", path, {"prevented": True})
    assert (prevented["status"], [line["amount"] for line in prevented["balance_transactions"]]) == (
        "prevented",
        [-500],
    )
    assert (await event_types(client))[-1] == "charge.dispute.closed"
    assert (await sandbox.http.post(f"/sandbox/disputes/{prevented['id']}/win", json={})).status_code == 400


async def test_an_inquiry_takes_no_money(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await buy(client, sandbox, "4000 0000 0000 1976")
    dispute = (await client.v1.disputes.list_async({"charge": intent["latest_charge"]})).data[0]
    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    assert "charge.dispute.funds_withdrawn" not in await event_types(client)
    await client.v1.refunds.create_async({"payment_intent": intent["id"]})


async def test_the_balance_is_what_is_left(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    kept = await buy(client, sandbox)
    await buy(client, sandbox, "4000 0000 0000 0259")
    await client.v1.refunds.create_async({"payment_intent": kept["id"], "amount": 120})
    balance = await client.v1.balance.retrieve_async()
    assert [(entry.currency, entry.amount) for entry in balance.available] == [("usd", 380)]


async def test_the_control_page_offers_what_is_possible(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await buy(client, sandbox)
    charge = intent["latest_charge"]
    page = (await sandbox.http.get("/sandbox")).text
    assert all(label in page for label in (intent["id"], "Refund part", "Dispute", "Resend"))

    done = await sandbox.http.post(f"/sandbox/charges/{charge}/refund", data={"amount": "200"}, follow_redirects=True)
    assert "Partly refunded: $2.00" in done.text and "Fail refund of $2.00" in done.text
    fault = await sandbox.http.post(f"/sandbox/charges/{charge}/refund", data={"amount": "999"}, follow_redirects=True)
    assert 'role="alert"' in fault.text and "greater than" in fault.text
    disputed = await sandbox.http.post(
        f"/sandbox/charges/{charge}/dispute",
        content="",
        headers={"content-type": "application/x-www-form-urlencoded"},
        follow_redirects=True,
    )
    assert "Win dispute" in disputed.text and "Refund part" not in disputed.text
