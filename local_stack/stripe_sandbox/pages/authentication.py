"""The bank's page of a card that asks for authentication."""

from html import escape

from starlette.responses import HTMLResponse

from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.money import written
from local_stack.stripe_sandbox.pages.html import page


def authentication_page(intent: JsonObject, last4: str) -> HTMLResponse:
    amount = written(intent["amount"], intent["currency"])
    main = f"""<section class="card">
<h1>3-D Secure test page</h1>
<p>Your bank would ask here whether you are paying <strong>{escape(amount)}</strong> with the card ending in
{escape(last4)}.</p>
<form method="post" action="/authenticate/{escape(intent["id"])}" class="row">
<button name="decision" value="complete">Complete authentication</button>
<button class="quiet" name="decision" value="fail">Fail authentication</button>
</form>
</section>"""
    return page("Authenticate", main)
