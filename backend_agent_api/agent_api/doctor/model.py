"""The models: reachable with their keys, and embeddings of the dimension that the database is searched by."""

import asyncpg
import httpx

from agent_api.doctor.findings import Finding, Findings, fail, listed, ok, shown, warn
from agent_api.embeddings import Embedder, EmbeddingUnavailable, open_embedder
from agent_api.settings import Settings

HTTP_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 8.0
PROBE = "doctor"


async def examine_model(settings: Settings) -> Findings:
    """The list of models, which no provider charges for."""
    key = settings.llm_api_key.get_secret_value()
    url, headers = f"{settings.llm_base_url}/models", {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS_MAX) as client:
            response = await client.get(url, headers=headers)
    except httpx.HTTPError as error:
        detail = f"{shown(url)} is not reached ({type(error).__name__})"
        return [fail("model", detail, "correct LLM_BASE_URL, start the model's server, or let this machine out to it")]
    return [_judge_model(settings, response)]


def _judge_model(settings: Settings, response: httpx.Response) -> Finding:
    where = shown(settings.llm_base_url)
    if response.status_code in (401, 403):
        return fail("model", f"{where} refuses the key ({response.status_code})", "put a valid key into LLM_API_KEY")
    if not response.is_success:
        detail = f"{where}/models answers {response.status_code}"
        return fail("model", detail, "correct LLM_BASE_URL: it ends where /chat/completions begins, mostly in /v1")
    try:
        names = {str(each["id"]) for each in response.json()["data"]}
    except (ValueError, KeyError, TypeError):
        detail = f"{where}/models is no list of models"
        return fail("model", detail, "correct LLM_BASE_URL: it must be an OpenAI-compatible address")
    if names and settings.llm_choice not in names:
        detail = f"{where} does not list {settings.llm_choice}"
        return warn("model", detail, f"set LLM_CHOICE to a model that it has, such as {listed(sorted(names)[:3])}")
    return ok("model", f"{settings.llm_choice} at {where}")


async def examine_embedding(settings: Settings, *, with_database: bool) -> Findings:
    """One vector of one word from the configured model and, where documents are in another's space, from that one."""
    async with open_embedder(settings) as embedder:
        own = await _probe(embedder, settings.embedding_model_choice)
        if isinstance(own, str):
            detail = (
                f"{settings.embedding_model_choice} at {shown(settings.embedding_base_url)} gives no vector ({own})"
            )
            cure = "check EMBEDDING_BASE_URL, EMBEDDING_API_KEY and EMBEDDING_MODEL_CHOICE; only words find until then"
            return [fail("embedding", detail, cure)]
        made = f"{settings.embedding_model_choice} gives {own} dimensions"
        if not with_database:
            return [ok("embedding", made)]
        try:
            space = await _active_space(settings)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return [warn("embedding", f"{made}; the database does not tell which it holds", "mend the database first")]
        if space is None:
            return [ok("embedding", f"{made}; the database holds no embedding space yet")]
        searched = own if space[0] == settings.embedding_model_choice else await _probe(embedder, space[0])
    return [_judge_space(settings, made, searched, space)]


async def _probe(embedder: Embedder, model: str) -> int | str:
    """The dimensions of a vector, or why there is none."""
    try:
        return len(await embedder.embed(PROBE, model=model))
    except EmbeddingUnavailable as error:
        return type(error.__cause__).__name__ if error.__cause__ else "an empty vector"


def _judge_space(settings: Settings, made: str, searched: int | str, space: tuple[str, int]) -> Finding:
    model, expected = space
    if searched != expected:
        detail = f"{made}, the active embedding space is {model} with {expected}: documents are found by words only"
        return fail("embedding", detail, f"set EMBEDDING_MODEL_CHOICE={model} again, or index all documents anew")
    if model == settings.embedding_model_choice:
        return ok("embedding", f"{made}, as the active embedding space")
    detail = f"{made}, the active embedding space is {model} with {expected}: questions are embedded with {model}"
    cure = f"set EMBEDDING_MODEL_CHOICE={model} again, or let the worker bring in {settings.embedding_model_choice}"
    return warn("embedding", detail, cure)


async def _active_space(settings: Settings) -> tuple[str, int] | None:
    connection = await asyncpg.connect(
        settings.database_url.get_secret_value(),
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=CONNECT_SECONDS_MAX,
        statement_cache_size=0,
    )
    try:
        row = await connection.fetchrow("select model, dimensions from public.embedding_space where is_active")
    finally:
        connection.terminate()
    return None if row is None else (row["model"], row["dimensions"])
