"""What the server reads of a request. Fields it does not use are ignored, as the real API grows new ones often."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from local_stack.demo_model.errors import ModelError
from local_stack.demo_model.settings import EMBEDDING_INPUTS_MAX

Model = TypeVar("Model", bound=BaseModel)


class ContentPart(BaseModel):
    """One part of a message; only text parts are read."""

    type: str
    text: str | None = None


class Message(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None

    def text(self) -> str:
        """All text of the message."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or [] if part.type == "text" and part.text)


class Function(BaseModel):
    """A function the model may call, with its arguments as a JSON schema."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])


class Tool(BaseModel):
    """An offered tool."""

    type: Literal["function"]
    function: Function


class NamedFunction(BaseModel):
    """The name inside a forced tool choice."""

    name: str


class NamedChoice(BaseModel):
    """A tool choice that forces one function."""

    type: Literal["function"]
    function: NamedFunction


class StreamOptions(BaseModel):
    """How a stream ends."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """POST /v1/chat/completions."""

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None


class EmbeddingRequest(BaseModel):
    """POST /v1/embeddings."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None

    def texts(self) -> list[str]:
        """The texts to embed; raises ModelError when there are none, too many, or one is empty."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not texts or len(texts) > EMBEDDING_INPUTS_MAX:
            raise ModelError(400, f"input must hold 1 to {EMBEDDING_INPUTS_MAX} texts", field="input")
        if not all(texts):
            raise ModelError(400, "input must not hold an empty text", field="input")
        return texts


def parse_body(schema: type[Model], body: bytes) -> Model:
    """Validate a JSON body; raises ModelError 400 that names the first wrong field."""
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        message = f"{field}: {first['msg']}" if field else first["msg"]
        raise ModelError(400, message, code="invalid_request", field=field or None) from None
