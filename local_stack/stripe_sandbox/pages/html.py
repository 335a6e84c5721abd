"""The frame of every page, and the headers that keep it plain."""

from html import escape
from pathlib import Path

from starlette.responses import HTMLResponse, RedirectResponse, Response

STYLE_PATH = "/sandbox/style.css"
_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_HEADERS = {
    "Cache-Control": "no-store",
    # No script at all. `form-action` is left open: it would also stop the way back to the shop.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    ),
    # With no-referrer a browser sends our own forms with `Origin: null`, which guard.py takes for another site's.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def page(title: str, main: str, *, status: int = 200) -> HTMLResponse:
    """A whole document around the content of `main`, which must be escaped already."""
    document = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Local Stripe sandbox</title>
<link rel="stylesheet" href="{STYLE_PATH}">
<link rel="icon" href="data:,">
</head>
<body>
<p class="banner" role="note"><strong>Local sandbox</strong> A stand-in for Stripe on this machine. No real card is
charged and nothing leaves it.</p>
<main>
{main}
</main>
</body>
</html>
"""
    return HTMLResponse(document, status, _HEADERS)


def message_page(title: str, words: str, *, status: int = 200, link: tuple[str, str] | None = None) -> HTMLResponse:
    """One sentence, and where to go from there."""
    onward = f'<p><a class="button" href="{escape(link[0])}">{escape(link[1])}</a></p>' if link else ""
    return page(
        title, f'<section class="card"><h1>{escape(title)}</h1><p>{escape(words)}</p>{onward}</section>', status=status
    )


def redirect(url: str) -> RedirectResponse:
    """See other: the browser follows with GET."""
    return RedirectResponse(url, 303, {"Cache-Control": "no-store"})


def style() -> Response:
    return Response(_STYLE, media_type="text/css")
