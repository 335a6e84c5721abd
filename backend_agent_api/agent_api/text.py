"""Text that Postgres can store: refused where a person sends it, cleaned where a model does."""

from typing import Annotated, Any, cast

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


def clean_text(text: str) -> str:
    """Text without NUL, and with "?" for what UTF-8 cannot hold."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\x00", "")


def clean_json(value: Any) -> Any:
    """The same for every text in a JSON value, keys included."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [clean_json(item) for item in cast("list[Any]", value)]
        case dict():
            return {clean_json(key): clean_json(item) for key, item in cast("dict[Any, Any]", value).items()}
        case _:
            return value
