"""Why a model is not in use, told on its pipeline for as long as that lasts."""

from collections.abc import Mapping

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


def waits_for_others(model: str, documents: Mapping[str, int]) -> str:
    """What an operator reads; `documents`: how many of which pipeline."""
    named = ", ".join(f"{count:,} of {pipeline_id}" for pipeline_id, count in sorted(documents.items()))
    return (
        f"EMBEDDING_MODEL_CHOICE {model} is not searched yet: it waits for documents of other pipelines ({named}). "
        "Run their workers with this model as well. Of a pipeline whose source no worker has looked at for 7 days, the "
        "stored texts are taken; until then the former model serves."
    )


def waits_for_database(model: str) -> str:
    """What an operator reads."""
    return (
        f"EMBEDDING_MODEL_CHOICE {model} is not searched yet: the database did not take all stored texts anew, for "
        "want of time or room; the worker's log says which. They are tried again after an hour; until then the "
        "former model serves."
    )


async def read_refusal(connection: Connection, pipeline_id: str) -> str | None:
    """What the pipeline shows now."""
    row = await (await connection.execute(READ, [pipeline_id])).fetchone()
    return None if row is None else row["embedding_error"]


async def write_refusal(connection: Connection, pipeline_id: str, text: str | None) -> None:
    """None: there is nothing to tell any more."""
    await connection.execute(WRITE, [text, pipeline_id])
