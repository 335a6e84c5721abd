"""Text that Postgres can store."""

from typing import Annotated

from pydantic import AfterValidator


def refuse_unstorable(text: str) -> str:
    """Refuse NUL (Postgres stores none) and lone surrogates (UTF-8 has none). Emojis and marks pass."""
    if "\x00" in text:
        raise ValueError("must not hold NUL characters")
    # pydantic refuses surrogates in str already; text that came another way passes here.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not hold lone surrogates")
    return text


StorableText = Annotated[str, AfterValidator(refuse_unstorable)]
