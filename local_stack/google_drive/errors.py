"""Failures in the shape of Google's APIs."""

from typing import Any

Json = dict[str, Any]


class DriveError(Exception):
    """A refusal with Google's status, reason and text."""

    def __init__(self, status: int, reason: str, message: str, *, location: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.location = location

    def body(self) -> Json:
        detail: Json = {"domain": "global", "reason": self.reason, "message": str(self)}
        if self.location is not None:
            detail |= {"locationType": "parameter", "location": self.location}
        return {"error": {"code": self.status, "message": str(self), "errors": [detail]}}


class SignInError(Exception):
    """A refusal of the token endpoint, as OAuth 2.0 words it."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.code = code

    def body(self) -> Json:
        return {"error": self.code, "error_description": str(self)}


def not_found(id: str) -> DriveError:
    """Also for what exists and may not be seen."""
    return DriveError(404, "notFound", f"File not found: {id}.", location="fileId")


def invalid(location: str, message: str = "Invalid Value") -> DriveError:
    return DriveError(400, "invalid", message, location=location)


def not_simulated(what: str) -> DriveError:
    """Google could do it, this stand-in cannot; said plainly, so that nobody takes it for Google's refusal."""
    return DriveError(400, "standInNotSimulated", f"The local stand-in does not simulate {what}.")
