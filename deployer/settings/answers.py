"""Variables of the models and of answers."""

from __future__ import annotations

from deployer.settings.model import API, BOTH, WORKER, Reader, Section, Setting

MODEL = Section(
    "Model",
    (
        Setting("LLM_PROVIDER", BOTH, "openai", "openai | openrouter | ollama", is_common=True),
        Setting("LLM_BASE_URL", BOTH, "", "Empty: the provider's own address.", is_common=True),
        Setting(
            *("LLM_API_KEY", BOTH, "", "Not needed with LLM_PROVIDER=ollama."),
            required_by=(API,),
            required="unless LLM_PROVIDER=ollama",
            is_secret=True,
            is_common=True,
        ),
        Setting("LLM_CHOICE", (API,), "gpt-4o-mini", "The model that answers.", is_common=True),
        Setting(
            *("VISION_LLM_CHOICE", (WORKER,), ""),
            "Describes images in documents. Empty: their text is read by OCR where tesseract is installed.",
            example="gpt-4o-mini",
            is_common=True,
        ),
        Setting("VISION_TIMEOUT_SECONDS", (WORKER,), "60"),
        Setting(
            *("MODEL_DEADLINE_SECONDS", (API,), "300"),
            "One answer, tools included. A longer one needs a longer stop, and a proxy that waits for it:"
            " docs/compose.md, More replicas.",
            is_common=True,
        ),
        Setting("MODEL_IDLE_TIMEOUT_SECONDS", (API,), "60", "How long a model may be silent in it.", is_common=True),
        Setting("MODEL_CONNECT_TIMEOUT_SECONDS", (API,), "10"),
        Setting(
            "MODEL_RETRIES_MAX",
            (API,),
            "1",
            "Further attempts after a refused connection, 429 or 5xx, before any output.",
        ),
        Setting("MODEL_REQUESTS_PER_ANSWER_MAX", (API,), "8"),
        Setting(
            *("MODEL_JOIN_WINDOW_SECONDS", (API,), "0.04"),
            "Text chunks that arrive within this time are handed on as one; 0 hands on each.",
        ),
    ),
    "One OpenAI-compatible client serves all three providers.",
)

EMBEDDINGS = Section(
    "Embeddings",
    (
        Setting("EMBEDDING_PROVIDER", BOTH, "openai", "openai | openrouter | ollama", is_common=True),
        Setting("EMBEDDING_BASE_URL", BOTH, "", "Empty: the provider's own address.", is_common=True),
        Setting(
            *("EMBEDDING_API_KEY", BOTH, "", "Empty: LLM_API_KEY, where both providers are the same."),
            required_by=(WORKER,),
            required="where embeddings need a key that LLM_API_KEY is not",
            is_secret=True,
            is_common=True,
        ),
        Setting(
            *("EMBEDDING_MODEL_CHOICE", BOTH, "text-embedding-3-small"),
            "text-embedding-3-small has 1536 dimensions, nomic-embed-text 768; the database takes any. Changing it"
            " embeds everything again in the background; the old model serves meanwhile.",
            is_common=True,
        ),
        Setting(
            *("EMBEDDING_ACCEPT_NEW_DIMENSIONS", (WORKER,), "false"),
            "true, once: that the model's vectors have another length than before is meant; all is embedded again.",
        ),
        Setting("EMBEDDING_TIMEOUT_SECONDS", BOTH, "30", "One request.", worker_default="60"),
        Setting(
            *("QUERY_EMBEDDING_DEADLINE_SECONDS", (API,), "5"),
            "A question that has no vector by then is searched for by its words alone.",
        ),
        Setting(
            *("EMBEDDING_TOKENIZER_FILE", (WORKER,), ""),
            "The tokenizer.json of the model. Without it lengths are estimated.",
        ),
        Setting("EMBEDDING_BATCH_SIZE", (WORKER,), "64"),
        Setting("EMBEDDING_CONCURRENCY", (WORKER,), "4"),
        Setting("EMBEDDING_DEADLINE_SECONDS", (WORKER,), "300", "One batch, further attempts included."),
        Setting("EMBEDDING_RETRIES_MAX", (WORKER,), "5"),
        Setting(
            "CHUNK_MODEL_TOKENS_MAX", (WORKER,), "400", "A chunk with its context, in the embedding model's own units."
        ),
        Setting("CHUNK_OVERLAP_MODEL_TOKENS", (WORKER,), "40", "What two neighbours share."),
    ),
)

RERANK = Section(
    "Rerank (optional)",
    (
        Setting("RERANK_BASE_URL", (API,), "", "Empty: off.", is_common=True),
        Setting("RERANK_API_KEY", (API,), "", is_secret=True, is_common=True),
        Setting("RERANK_MODEL", (API,), "", required="together with RERANK_BASE_URL", is_common=True),
        Setting("RERANK_DEADLINE_SECONDS", (API,), "3", "Passages that are not put in order by then stay as they are."),
        Setting("RERANK_CANDIDATES_MAX", (API,), "24"),
    ),
    "POST {base}/rerank {model, query, documents, top_n}, as Cohere, Jina and local servers understand it.",
)

LIMITS = Section(
    "Limits of questions and answers",
    (
        Setting("RATE_LIMIT_REQUESTS", (API,), "5", "New questions a person may ask per window.", is_common=True),
        Setting("RATE_LIMIT_WINDOW_SECONDS", (API,), "60", is_common=True),
        Setting("REQUEST_BODY_MAX_BYTES", (API, Reader.CADDY), "2097152", is_common=True),
        Setting(
            *("REQUEST_BODY_TIMEOUT_SECONDS", (API,), "60"),
            "A body that takes longer to arrive is refused; uploads have UPLOAD_RECEIVE_TIMEOUT_SECONDS.",
        ),
        Setting("MESSAGE_MAX_CHARACTERS", (API,), "200000", is_common=True),
        Setting("ANSWER_MAX_CHARACTERS", (API,), "400000"),
        Setting(
            *("ANSWER_EVENTS_MAX_BYTES", (API,), "16777216"),
            "Everything one answer sends, inputs and outputs of tools too.",
        ),
        Setting("HISTORY_MESSAGES_MAX", (API,), "40", "What of a conversation a model is shown."),
        Setting("HISTORY_MAX_CHARACTERS", (API,), "200000"),
        Setting("TITLE_TIMEOUT_SECONDS", (API,), "20"),
        Setting("TITLES_AT_ONCE_MAX", (API,), "8"),
    ),
)

RUNNING_ANSWERS = Section(
    "Running answers",
    (
        Setting(
            *("SHUTDOWN_GRACE_SECONDS", (API,), "20"),
            "Running answers may finish for this long after a stop signal; the rest is settled. 310 in containers:"
            " longer than the longest answer.",
            in_compose="310",
            is_common=True,
        ),
        Setting(
            *("RUN_LEASE_SECONDS", (API,), "30"),
            "A process that stops renewing loses its answers to the others after the lease.",
        ),
        Setting("RUN_LEASE_RENEW_SECONDS", (API,), "10", "At most half of the lease."),
        Setting("RUNS_PER_PROCESS_MAX", (API,), "2000"),
        Setting(
            *("RUN_FLUSH_INTERVAL_SECONDS", (API,), "0.25"),
            "How often what running answers have sent is stored for other replicas.",
        ),
        Setting("RUN_SWEEP_INTERVAL_SECONDS", (API,), "5", "How often answers whose process was lost are looked for."),
        Setting("SETTLE_DEADLINE_SECONDS", (API,), "60", "How long settling is retried while the database is away."),
        Setting("STREAM_KEEP_ALIVE_SECONDS", (API,), "15"),
        Setting("ANSWER_STREAMS_PER_USER_MAX", (API,), "300", "Open streams of answers, those that only attach too."),
        Setting("ANSWER_STREAMS_PER_PROCESS_MAX", (API,), "5000"),
    ),
)

BALANCE = Section(
    "Live balance",
    (
        Setting("BALANCE_NOTIFY_INTERVAL_SECONDS", (API,), "0.2"),
        Setting("BALANCE_REREAD_SECONDS", (API,), "30"),
        Setting("BALANCE_KEEP_ALIVE_SECONDS", (API,), "15"),
        Setting("BALANCE_STREAMS_PER_USER_MAX", (API,), "20"),
        Setting("BALANCE_STREAMS_PER_PROCESS_MAX", (API,), "5000"),
    ),
)
