"""The sample PDF, so that a first answer can name a page: `python -m local_stack.sample_guide` writes it anew.

It needs reportlab, which the environment of the tests has; the same text gives the same bytes.
"""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, cast

GUIDE = Path(__file__).with_name("sample_documents") / "user-guide.pdf"
TITLE = "User guide"
MARGIN = 72

# One list per page: a heading, then its paragraphs.
PAGES: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        (
            "What this assistant can help you with",
            (
                "The assistant answers questions from the documents of your organisation, and from those that you "
                "upload yourself. It can find a passage, explain it, compare what several documents say, and "
                "summarise one.",
                "Behind what it takes from a document stands a small number. A click on it opens the passage in "
                "its context, with the name of the document and the page.",
                "If the documents do not hold the answer, the assistant says so.",
            ),
        ),
        (
            "Asking well",
            (
                "Ask whole questions in your own words. Names, numbers and dates that stand in the document help "
                "to find the passage. Follow-up questions in the same conversation are understood.",
                "A question can be edited with the pencil, and an answer can be asked for again with the arrows. "
                "Both keep the earlier version one click away.",
            ),
        ),
    ),
    (
        (
            "Uploading your own documents",
            (
                "Open the page Documents and drop files onto it. PDF, Word, PowerPoint, Excel, CSV, HTML, "
                "Markdown and plain text are read. The page says which sizes are taken.",
                "What you upload is private: only you can search it, and only your answers cite it. An operator "
                "can share a document with everyone.",
                "A document can be asked about as soon as its state is Indexed, usually within seconds.",
            ),
        ),
        (
            "When a document cannot be read",
            (
                "The page Documents shows the reason beside the file: a password, an empty or damaged file, a "
                "type that is not read. Earlier text of the document stays searchable while a new version fails.",
                "A deleted document is no longer found, from that moment on.",
            ),
        ),
    ),
    (
        (
            "How do I buy tokens?",
            (
                "Choose Buy tokens in the menu, pick a pack, and pay on the page of Stripe that opens. There are "
                "three packs: 100 tokens for $5, 250 tokens for $10 and 600 tokens for $20.",
                "The tokens are there as soon as the payment is confirmed; the page after it shows the new "
                "balance. If a payment is declined, nothing is charged and nothing is lost: try again with "
                "another card.",
            ),
        ),
        (
            "What a question costs",
            (
                "Each question costs one token, however long the answer is. If no answer comes at all, the token "
                "goes back to you by itself.",
                "A click on the balance opens the token history, with every token that came or went.",
            ),
        ),
    ),
)


def make_guide() -> bytes:
    """The PDF."""
    units = cast(Any, import_module("reportlab.platypus"))
    styles = cast(Any, import_module("reportlab.lib.styles")).getSampleStyleSheet()
    file = BytesIO()
    template = units.SimpleDocTemplate(
        file, pagesize=(595, 842), title=TITLE, invariant=1, leftMargin=MARGIN, rightMargin=MARGIN
    )
    story: list[Any] = [units.Paragraph(TITLE, styles["Title"])]
    for number, page in enumerate(PAGES):
        if number:
            story.append(units.PageBreak())
        for heading, paragraphs in page:
            story.append(units.Paragraph(heading, styles["Heading1"]))
            for text in paragraphs:
                story += [units.Paragraph(text, styles["BodyText"]), units.Spacer(1, 6)]
    template.build(story)
    return file.getvalue()


if __name__ == "__main__":
    GUIDE.write_bytes(make_guide())
