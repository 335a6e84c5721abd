"""A model whose vectors cannot be those of what is indexed, told on the pipeline for as long as that lasts."""

from rag_pipeline.database import Connection

READ = "select embedding_error from public.rag_pipeline_state where pipeline_id = %s"
WRITE = "update public.rag_pipeline_state set embedding_error = %s, updated_at = now() where pipeline_id = %s"


def other_dimension(model: str, *, found: int, indexed: int) -> str:
    """What an operator reads."""
    return (
        f"EMBEDDING_MODEL_CHOICE {model} gives vectors of {found} numbers, and what is indexed with a model of that "
        f"name has {indexed}. Most likely another service answers at EMBEDDING_BASE_URL. Nothing is indexed until it "
        f"gives {indexed} again, or EMBEDDING_ACCEPT_NEW_DIMENSIONS=true says that everything is to be embedded anew."
    )


async def read_refusal(connection: Connection, pipeline_id: str) -> str | None:
    """What the pipeline shows now."""
    row = await (await connection.execute(READ, [pipeline_id])).fetchone()
    return None if row is None else row["embedding_error"]


async def write_refusal(connection: Connection, pipeline_id: str, text: str | None) -> None:
    """None: there is nothing to tell any more."""
    await connection.execute(WRITE, [text, pipeline_id])
