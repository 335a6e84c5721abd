"""The control page: payments with their buttons, events with their deliveries."""

from datetime import UTC, datetime
from html import escape

from starlette.responses import HTMLResponse

from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.money import written
from local_stack.stripe_sandbox.pages.html import page
from local_stack.stripe_sandbox.resources.disputes import CLOSED
from local_stack.stripe_sandbox.sandbox import Sandbox
from local_stack.stripe_sandbox.webhooks import queue

_ROWS_MAX = 50


def control_page(sandbox: Sandbox, problem: str | None) -> HTMLResponse:
    """The newest payments and events; every button works without script."""
    store = sandbox.store
    charges = store.select("charge", limit=_ROWS_MAX)
    events = store.select("event", limit=_ROWS_MAX)
    alert = f'<p class="alert" role="alert">{escape(problem)}</p>' if problem else ""
    payments = "".join(_payment(sandbox, charge) for charge in charges)
    main = f"""<h1>Stripe sandbox</h1>
<p class="muted">What Stripe, a bank and a customer could do to the payments of this machine.</p>
{alert}
<section class="card" aria-label="Payments"><div class="scroll"><table>
<caption>Payments</caption>
<thead><tr><th scope="col">When</th><th scope="col">Payment</th><th scope="col">Amount</th><th scope="col">State</th>
<th scope="col">What you can do</th></tr></thead>
<tbody>{payments or _nothing(5, "No payments yet.")}</tbody>
</table></div></section>
<section class="card" aria-label="Events">
{_deliveries(sandbox)}
<div class="scroll"><table>
<caption>Events</caption>
<thead><tr><th scope="col">When</th><th scope="col">Event</th><th scope="col">Delivery</th>
<th scope="col"><span class="visually-hidden">Action</span></th></tr></thead>
<tbody>{"".join(_event(sandbox, event) for event in events) or _nothing(4, "No events yet.")}</tbody>
</table></div></section>"""
    return page("Stripe sandbox", main)


def _nothing(columns: int, words: str) -> str:
    return f'<tr><td colspan="{columns}" class="muted">{words}</td></tr>'


def _payment(sandbox: Sandbox, charge: JsonObject) -> str:
    disputes = sandbox.store.select("dispute", fields={"charge": charge["id"]})
    refunds = sandbox.store.select("refund", fields={"charge": charge["id"]})
    card = charge["payment_method_details"]["card"]
    amount = written(charge["amount"], charge["currency"])
    return f"""<tr><td>{_moment(charge["created"])}</td>
<td><code>{escape(charge["payment_intent"])}</code><br>
<span class="muted">{escape(card["brand"])} ending in {card["last4"]}</span></td>
<td>{escape(amount)}</td><td>{_state(charge, disputes)}</td>
<td><div class="row small">{_buttons(charge, disputes, refunds)}</div></td></tr>"""


def _state(charge: JsonObject, disputes: list[JsonObject]) -> str:
    if charge["status"] == "failed":
        return f'<span class="bad">Failed: {escape(charge["failure_code"])}</span>'
    states = ['<span class="good">Paid</span>']
    if charge["amount_refunded"]:
        whole = "Refunded" if charge["refunded"] else "Partly refunded"
        states.append(f"{whole}: {escape(written(charge['amount_refunded'], charge['currency']))}")
    states += [f"Dispute: {escape(dispute['status'].replace('_', ' '))}" for dispute in disputes]
    return "<br>".join(states)


def _buttons(charge: JsonObject, disputes: list[JsonObject], refunds: list[JsonObject]) -> str:
    if charge["status"] == "failed":
        return '<span class="muted">Nothing</span>'
    parts: list[str] = []
    path = f"/sandbox/charges/{escape(charge['id'])}"
    held = any(not dispute["is_charge_refundable"] for dispute in disputes)
    if not charge["refunded"] and not held:
        parts.append(_form(f"{path}/refund", "Refund"))
        box = f"amount-{escape(charge['id'])}"
        minor = f'<label class="visually-hidden" for="{box}">Amount in minor units</label>'
        entry = f'<input id="{box}" name="amount" inputmode="numeric" placeholder="e.g. 200" required>'
        parts.append(_form(f"{path}/refund", "Refund part", f"{minor}{entry}"))
    if not charge["refunded"] and not disputes:
        parts.append(_form(f"{path}/dispute", "Dispute"))
    for dispute in disputes:
        if dispute["status"] not in CLOSED:
            parts.append(_form(f"/sandbox/disputes/{escape(dispute['id'])}/win", "Win dispute"))
            parts.append(_form(f"/sandbox/disputes/{escape(dispute['id'])}/lose", "Lose dispute"))
        elif dispute["status"] == "lost":
            parts.append(_form(f"/sandbox/disputes/{escape(dispute['id'])}/appeal", "Appeal dispute"))
    for refund in refunds:
        if refund["status"] == "succeeded":
            amount = escape(written(refund["amount"], refund["currency"]))
            parts.append(_form(f"/sandbox/refunds/{escape(refund['id'])}/fail", f"Fail refund of {amount}"))
    return "".join(parts) or '<span class="muted">Nothing</span>'


def _form(action: str, label: str, inner: str = "") -> str:
    return f'<form method="post" action="{action}" class="row">{inner}<button class="quiet">{label}</button></form>'


def _deliveries(sandbox: Sandbox) -> str:
    current = sandbox.delivery_controls()
    if current.webhook_url is None:
        return '<p class="muted">No webhook address is set: events are recorded and not delivered.</p>'
    label, value = ("Resume deliveries", "false") if current.paused else ("Pause deliveries", "true")
    pending = queue.pending_count(sandbox.store)
    state = "paused" if current.paused else "running"
    hidden = f'<input type="hidden" name="paused" value="{value}">'
    return f"""<div class="row small"><p>Deliveries to <code>{escape(current.webhook_url)}</code> are {state};
{pending} waiting.</p>{_form("/sandbox/deliveries/settings", label, hidden)}
{_form("/sandbox/deliveries/retry", "Retry waiting ones now")}</div>"""


def _event(sandbox: Sandbox, event: JsonObject) -> str:
    attempts = queue.attempts_of(sandbox.store, event["id"], _ROWS_MAX)
    lines = "<br>".join(_delivery(attempt) for attempt in attempts)
    resend = _form(f"/sandbox/events/{escape(event['id'])}/resend", "Resend")
    return f"""<tr><td>{_moment(event["created"])}</td>
<td>{escape(event["type"])}<br><code class="muted">{escape(event["id"])}</code></td>
<td>{lines or '<span class="muted">none</span>'}</td><td class="small">{resend}</td></tr>"""


def _delivery(attempt: JsonObject) -> str:
    kind = {"delivered": "good", "failed": "bad"}.get(attempt["status"], "muted")
    answer = attempt["answered_status"] or attempt["error"] or "not tried yet"
    return f'<span class="{kind}">{attempt["status"]}</span> ({escape(str(answer))}, {attempt["attempts"]} tried)'


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
