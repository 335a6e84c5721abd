"""The hosted payment page."""

from html import escape

from starlette.responses import HTMLResponse

from local_stack.stripe_sandbox.cards import CARDS
from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.money import written
from local_stack.stripe_sandbox.pages.card_form import CardForm
from local_stack.stripe_sandbox.pages.html import page


def checkout_page(
    session: JsonObject,
    lines: list[JsonObject],
    form: CardForm,
    *,
    email_is_known: bool,
    failure: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The order on one side, the card on the other."""
    amount = written(session["amount_total"], session["currency"])
    main = f"""<div class="columns">
<section aria-labelledby="order">
{_back_link(session)}
<h1 id="order">Pay {escape(lines[0]["description"])}</h1>
<p class="amount">{escape(amount)}</p>
<ul class="lines">{"".join(_line(line) for line in lines)}</ul>
</section>
<section class="card pay" aria-labelledby="card-heading">
<h2 id="card-heading">Pay with card</h2>
{_summary(form, failure)}
<form method="post" action="/c/pay/{escape(session["id"])}" novalidate>
{_field(form, "email", "Email", kind="email", autocomplete="email", readonly=email_is_known)}
{_field(form, "number", "Card number", inputmode="numeric", autocomplete="cc-number", placeholder="4242 …")}
<div class="pair">
{_field(form, "expiry", "Expiration date", inputmode="numeric", autocomplete="cc-exp", placeholder="MM / YY")}
{_field(form, "cvc", "CVC", inputmode="numeric", autocomplete="cc-csc", placeholder="123")}
</div>
{_field(form, "name", "Name on card", autocomplete="cc-name")}
<button class="wide" type="submit">Pay {escape(amount)}</button>
</form>
</section>
{_test_cards(session["id"])}
</div>"""
    return page(f"Pay {amount}", main, status=status)


def _back_link(session: JsonObject) -> str:
    if not session["cancel_url"]:
        return ""
    return f'<p><a href="{escape(session["cancel_url"])}">← Cancel and go back</a></p>'


def _line(line: JsonObject) -> str:
    total = written(line["amount_total"], line["currency"])
    quantity = f'<p class="muted">Quantity {line["quantity"]}</p>' if line["quantity"] > 1 else ""
    return f"<li><div><p>{escape(line['description'])}</p>{quantity}</div><p>{escape(total)}</p></li>"


def _test_cards(session_id: str) -> str:
    rows = "".join(
        f'<tr><td><a href="/c/pay/{escape(session_id)}?card={card.number}"><code>{card.grouped}</code></a></td>'
        f"<td>{escape(card.summary)}</td></tr>"
        for card in CARDS
    )
    return f"""<section><details open><summary>Test cards</summary>
<p class="muted">Any future date, any CVC. Choosing a number fills in the form.</p>
<div class="scroll"><table><thead><tr><th scope="col">Number</th><th scope="col">What happens</th></tr></thead>
<tbody>{rows}</tbody></table></div></details></section>"""


def _summary(form: CardForm, failure: str | None) -> str:
    words = failure or ("Some details need another look." if form.errors else "")
    return f'<p class="alert" role="alert">{escape(words)}</p>' if words else ""


def _field(
    form: CardForm,
    name: str,
    label: str,
    *,
    autocomplete: str,
    kind: str = "text",
    inputmode: str = "",
    placeholder: str = "",
    readonly: bool = False,
) -> str:
    # A security code is never shown again.
    value = "" if name == "cvc" else getattr(form, name)
    fault = form.errors.get(name)
    attributes = "".join(
        f' {attribute}="{escape(text)}"'
        for attribute, text in (("inputmode", inputmode), ("placeholder", placeholder))
        if text
    )
    attributes += " readonly" if readonly else ""
    attributes += f' aria-invalid="true" aria-describedby="{name}-error"' if fault else ""
    error = f'<p class="error" id="{name}-error">{escape(fault)}</p>' if fault else ""
    return (
        f'<div class="field"><label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" autocomplete="{autocomplete}" '
        f"required{attributes}>{error}</div>"
    )
