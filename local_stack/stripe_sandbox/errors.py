"""Failures in the shape of Stripe's API."""

from typing import Any

JsonObject = dict[str, Any]


class StripeError(Exception):
    """A refusal; what the handler had changed is rolled back. `remembered` = an idempotency key replays it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        remembered: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.remembered = remembered

    def body(self) -> JsonObject:
        error: JsonObject = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> StripeError:
    """A parameter that is refused before anything is done, so that a corrected repeat may use the same key."""
    return StripeError(400, message, code=code, param=param, remembered=False)


def refused(message: str, *, code: str | None = None, param: str | None = None) -> StripeError:
    """The object's state forbids it."""
    return StripeError(400, message, code=code, param=param)


def missing(kind: str, identifier: str, *, param: str = "id") -> StripeError:
    """No object of that id: 404 when it is in the path, 400 when it is in a parameter."""
    message = f"No such {kind}: '{identifier}'"
    status = 404 if param == "id" else 400
    return StripeError(status, message, code="resource_missing", param=param, remembered=False)


def not_simulated(what: str, *, param: str | None = None) -> StripeError:
    """Stripe could do it, this sandbox cannot; said plainly, so that nobody takes it for Stripe's refusal."""
    return StripeError(400, f"The local sandbox does not simulate {what}.", code="sandbox_not_simulated", param=param)
