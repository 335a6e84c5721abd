"""What every route says about itself in OpenAPI: its errors and an example.

`responses=documented(InsufficientTokens, example={...})` on a route; a test walks all routes and refuses silence.
"""

from typing import Any

from pydantic import BaseModel

from agent_api.errors import (
    AppError,
    AuthUnavailable,
    DatabaseUnavailable,
    InternalError,
    InvalidRequest,
    Unauthorized,
    error_body,
)

EXAMPLE_REQUEST_ID = "4f0c3a52d1f54d0f8d2d3a0c5b7e9a10"


ERROR_SCHEMA = {"$ref": "#/components/schemas/ErrorRead"}


class ErrorDetail(BaseModel):
    """A refusal. `code` is stable; `message` is for people; `request_id` is in the service's logs."""

    code: str
    message: str
    request_id: str
    field: str | None = None


class ErrorRead(BaseModel):
    """The body of every reply that is not a success."""

    error: ErrorDetail


def _examples_by_status(errors: tuple[type[AppError], ...]) -> dict[int, dict[str, Any]]:
    grouped: dict[int, dict[str, Any]] = {}
    for kind in errors:
        refusal = kind(field="field") if kind is InvalidRequest else kind()
        example = {"summary": kind.__doc__, "value": error_body(refusal, request_id=EXAMPLE_REQUEST_ID)}
        grouped.setdefault(kind.status_code, {})[kind.code] = example
    return grouped


def documented(
    *errors: type[AppError],
    example: object = None,
    status: int = 200,
    media_type: str = "application/json",
    public: bool = False,
    json_alternative: tuple[type[BaseModel], object] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: the example of its success and every refusal it gives.

    `json_alternative` is the model and the example of what a stream's route answers when asked for one JSON object.
    Unauthorized, AuthUnavailable and DatabaseUnavailable are added unless `public`; InvalidRequest and InternalError
    always are.
    """
    kinds = (*errors, InvalidRequest, InternalError)
    if not public:
        kinds = (Unauthorized, *kinds, AuthUnavailable, DatabaseUnavailable)
    responses: dict[int | str, dict[str, Any]] = {}
    if example is not None:
        responses[status] = {"content": {media_type: {"example": example}}}
    if json_alternative is not None:
        model, json_example = json_alternative
        responses[status]["model"] = model
        responses[status]["content"]["application/json"] = {"example": json_example}
    for code, examples in sorted(_examples_by_status(tuple(dict.fromkeys(kinds))).items()):
        responses[code] = {
            "description": ", ".join(examples),
            "content": {"application/json": {"schema": ERROR_SCHEMA, "examples": examples}},
        }
        if media_type == "application/json":
            # Registers the schema. A route of another media type would list it under its own.
            responses[code]["model"] = ErrorRead
    return responses
