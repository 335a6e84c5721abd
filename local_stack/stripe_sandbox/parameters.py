"""What an endpoint accepts, declared; anything else is refused as Stripe refuses it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from local_stack.stripe_sandbox.errors import JsonObject, invalid, not_simulated
from local_stack.stripe_sandbox.form import Raw

# Takes the raw value and the parameter's full name, returns the value; raises StripeError.
Parse: TypeAlias = Callable[[Raw, str], Any]

_METADATA_KEYS_MAX = 50
_METADATA_KEY_CHARACTERS_MAX = 40
_METADATA_VALUE_CHARACTERS_MAX = 500
_URL_CHARACTERS_MAX = 5000


@dataclass(frozen=True)
class Field:
    parse: Parse
    required: bool = False


Shape: TypeAlias = Mapping[str, Field]


def required(parse: Parse) -> Field:
    return Field(parse, required=True)


def optional(parse: Parse) -> Field:
    return Field(parse)


def check(raw: "dict[str, Raw]", shape: Shape, *, prefix: str = "") -> JsonObject:
    """The accepted values by name; optional ones that were not sent are absent."""

    def full(name: str) -> str:
        return f"{prefix}[{name}]" if prefix else name

    unknown = [full(name) for name in raw if name not in shape]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        message = f"Received unknown parameter{plural}: {', '.join(unknown)}"
        raise invalid(message, code="parameter_unknown", param=unknown[0])
    values: JsonObject = {}
    for name, field in shape.items():
        if name in raw:
            if field.required and raw[name] == "":
                message = (
                    f"You passed an empty string for '{full(name)}'. We assume empty values are an attempt to unset"
                )
                message += " a parameter; however this parameter cannot be unset."
                raise invalid(message, code="parameter_invalid_empty", param=full(name))
            values[name] = field.parse(raw[name], full(name))
        elif field.required:
            raise invalid(f"Missing required param: {full(name)}.", code="parameter_missing", param=full(name))
    return values


def text(maximum: int = 5000) -> Parse:
    """A string; an empty one unsets and arrives as None."""

    def parse(raw: Raw, name: str) -> str | None:
        value = _single(raw, name)
        if len(value) > maximum:
            message = f"Invalid string: {value[:20]}...; must be at most {maximum} characters"
            raise invalid(message, code="parameter_invalid_string", param=name)
        return value or None

    return parse


def whole(minimum: int = 0, maximum: int = 2**53) -> Parse:
    def parse(raw: Raw, name: str) -> int:
        value = _single(raw, name)
        if not (value.removeprefix("-").isdigit() and value.isascii()):
            raise invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        number = int(value)
        if number < minimum:
            message = f"This value must be greater than or equal to {minimum}."
            raise invalid(message, code="parameter_invalid_integer", param=name)
        if number > maximum:
            message = f"This value must be less than or equal to {maximum} (it currently is '{number}')."
            raise invalid(message, code="parameter_invalid_integer", param=name)
        return number

    return parse


def flag() -> Parse:
    def parse(raw: Raw, name: str) -> bool:
        value = _single(raw, name)
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value}", param=name)
        return value == "true"

    return parse


def only_off(what: str) -> Parse:
    """A switch that Stripe has and this sandbox knows only as off."""
    switch = flag()

    def parse(raw: Raw, name: str) -> bool:
        if switch(raw, name):
            raise not_simulated(what, param=name)
        return False

    return parse


def choice(*options: str, elsewhere: tuple[str, ...] = ()) -> Parse:
    """One of the options; `elsewhere` are those Stripe takes and this sandbox does not."""

    def parse(raw: Raw, name: str) -> str:
        value = _single(raw, name)
        if value in elsewhere:
            raise not_simulated(f"{name}={value}", param=name)
        if value not in options:
            raise invalid(f"Invalid {name}: must be one of {', '.join((*options, *elsewhere))}", param=name)
        return value

    return parse


def url() -> Parse:
    def parse(raw: Raw, name: str) -> str:
        value = _single(raw, name)
        try:
            parts = urlsplit(value)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c.isspace() for c in value)
        except ValueError:
            valid = False
        if not valid or len(value) > _URL_CHARACTERS_MAX:
            raise invalid("Not a valid URL", code="url_invalid", param=name)
        return value

    return parse


def fields(shape: Shape) -> Parse:
    def parse(raw: Raw, name: str) -> JsonObject:
        if isinstance(raw, str):
            raise invalid("Invalid object", param=name)
        return check(raw, shape, prefix=name)

    return parse


def items(parse_item: Parse, *, minimum: int = 0, maximum: int = 100) -> Parse:
    def parse(raw: Raw, name: str) -> list[Any]:
        if isinstance(raw, str):
            raise invalid("Invalid array", param=name)
        if not all(position.isdigit() for position in raw):
            raise invalid("Invalid array", param=name)
        if not minimum <= len(raw) <= maximum:
            raise invalid(f"Invalid array: {name} takes {minimum} to {maximum} entries", param=name)
        return [parse_item(raw[position], f"{name}[{position}]") for position in sorted(raw, key=int)]

    return parse


def metadata() -> Parse:
    """Names and values; an empty value removes the name, an empty string removes all (None)."""

    def parse(raw: Raw, name: str) -> dict[str, str] | None:
        if raw == "":
            return None
        if isinstance(raw, str):
            raise invalid("Invalid object", param=name)
        if len(raw) > _METADATA_KEYS_MAX:
            message = f"You can only specify up to {_METADATA_KEYS_MAX} metadata keys."
            raise invalid(message, param=name)
        values: dict[str, str] = {}
        for key, value in raw.items():
            full = f"{name}[{key}]"
            single = _single(value, full)
            if len(key) > _METADATA_KEY_CHARACTERS_MAX:
                message = (
                    f"Metadata keys can have up to {_METADATA_KEY_CHARACTERS_MAX} characters, but yours has {len(key)}."
                )
                raise invalid(message, param=name)
            if len(single) > _METADATA_VALUE_CHARACTERS_MAX:
                message = f"Metadata values can have up to {_METADATA_VALUE_CHARACTERS_MAX} characters, "
                message += f"but you passed in a value of length {len(single)}."
                raise invalid(message, param=full)
            values[key] = single
        return values

    return parse


def merged_metadata(old: dict[str, str], new: dict[str, str] | None) -> dict[str, str]:
    """Stripe's rule: names are merged, empty values remove, None removes all."""
    if new is None:
        return {}
    return {name: value for name, value in {**old, **new}.items() if value != ""}


def moment_range() -> Parse:
    """`created=1` or `created[gte]=1`; arrives as conditions: (operator, seconds)."""
    bounds = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    shape = {name: optional(whole()) for name in bounds}

    def parse(raw: Raw, name: str) -> list[tuple[str, int]]:
        if isinstance(raw, str):
            return [("=", whole()(raw, name))]
        return [(bounds[bound], seconds) for bound, seconds in check(raw, shape, prefix=name).items()]

    return parse


def _single(raw: Raw, name: str) -> str:
    if not isinstance(raw, str):
        raise invalid("Invalid string", param=name)
    return raw
