"""How embedding fails. There is never a made-up vector instead."""


class EmbeddingError(Exception):
    """Nothing was embedded. The text is for the log: it holds no part of a document and no secret."""


class EmbeddingUnavailable(EmbeddingError):
    """The service is away, overloaded or answers nonsense: the same texts may pass later."""


class EmbeddingRefused(EmbeddingError):
    """The service will not take this as things are configured.

    `text_index` names the text at fault; None: it is not the text (the key, the model's name, the dimension).
    """

    def __init__(self, message: str, *, text_index: int | None = None) -> None:
        super().__init__(message)
        self.text_index = text_index
