"""Variables of the database, of sign-in and of documents."""

from __future__ import annotations

from deployer.settings.model import API, BOTH, WORKER, Reader, Section, Setting

DATABASE = Section(
    "Database",
    (
        Setting(
            "DATABASE_URL",
            (API, WORKER, Reader.MIGRATE),
            text="The role that owns the product's tables; characters like @ : / in its password as %40 %3A %2F.",
            example="postgresql://user:password@host:5432/postgres",
            required_by=BOTH,
            required="always",
            is_secret=True,
            is_common=True,
        ),
        Setting(
            *("DATABASE_SESSION_URL", (API, WORKER, Reader.MIGRATE), ""),
            "Only where DATABASE_URL leads through a pooler in transaction mode (port 6543): a session-mode or direct"
            " address of the same database, for LISTEN, the queue and backups.",
            required="with DATABASE_URL at port 6543",
            is_secret=True,
            is_common=True,
        ),
        Setting("DATABASE_POOL_MIN_SIZE", (API,), "2"),
        Setting(
            *("DATABASE_POOL_MAX_SIZE", BOTH, "20"),
            "Connections of one process; the worker's queue takes up to 14 more. Behind a pooler in session mode all of"
            " them count: docs/operations.md, Capacity.",
            worker_default="10",
            is_common=True,
        ),
        Setting("DATABASE_ACQUIRE_TIMEOUT_SECONDS", BOTH, "5", worker_default="10"),
        Setting("DATABASE_CONNECT_TIMEOUT_SECONDS", BOTH, "5"),
        Setting("DATABASE_COMMAND_TIMEOUT_SECONDS", (API,), "15"),
        Setting(
            *("DATABASE_STATEMENT_TIMEOUT_SECONDS", (WORKER,), "60"),
            "One transaction of the worker. A large document or listing has more, also where the server's own"
            " statement_timeout is shorter.",
        ),
        Setting(
            *("DATABASE_START_DEADLINE_SECONDS", BOTH, "60"),
            "How long a starting service keeps trying to reach the database.",
        ),
    ),
)

SIGN_IN = Section(
    "Sign-in (Supabase)",
    (
        Setting(
            *("SUPABASE_URL", BOTH),
            text="The worker needs it for uploads in Supabase Storage only.",
            example="https://your-project.supabase.co",
            required_by=(API,),
            required="always",
            is_common=True,
        ),
        Setting(
            *("SUPABASE_SERVICE_KEY", BOTH, ""),
            "The secret (service) key, sb_secret_... or the old JWT-shaped one. Never goes to a browser.",
            required_by=(API,),
            required="always",
            is_secret=True,
            is_common=True,
        ),
        Setting(
            *("SUPABASE_JWT_SECRET", (API,), ""),
            "Only for projects that still sign with HS256. Without it such jwts are checked by asking.",
            required="with COMPOSE_PROFILES=database",
            is_secret=True,
            is_common=True,
        ),
        Setting("JWT_LEEWAY_SECONDS", (API,), "10", "How far clocks may differ."),
        Setting("JWKS_REFRESH_SECONDS", (API,), "300"),
        Setting(
            *("JWKS_REFETCH_INTERVAL_SECONDS", (API,), "10"),
            "An unknown key id fetches the published keys again at most this often, whoever asks.",
        ),
        Setting("AUTH_TIMEOUT_SECONDS", (API,), "5"),
        Setting("AUTH_CACHE_SECONDS", (API,), "60", "At most 60."),
        Setting("AUTH_CACHE_MAX_ENTRIES", (API,), "10000"),
        Setting("AUTH_CONCURRENT_LOOKUPS_MAX", (API,), "20"),
        Setting(
            *("AUTH_WAITING_LOOKUPS_MAX", (API,), "200"),
            "Further jwts may wait to be asked about; beyond it the answer is 503.",
        ),
    ),
)

SOURCES = Section(
    "Where documents come from",
    (
        Setting("RAG_PIPELINE_TYPE", (WORKER,), "local", "local | google_drive", is_common=True),
        Setting("RUN_MODE", (WORKER,), "continuous", "continuous | single (once, for a schedule)", is_common=True),
        Setting(
            *("RAG_PIPELINE_ID", (WORKER,), ""),
            "Names this pipeline's state and documents. Empty: the type. Give each pipeline on one database its own.",
            is_common=True,
        ),
        Setting(
            *("RAG_WATCH_DIRECTORY", (WORKER,), "./rag-documents"),
            "The folder that is read; compose mounts it. A path, with a slash: a bare name would be a volume.",
            in_container="/app/rag-documents",
            is_common=True,
        ),
        Setting(
            *("RAG_WATCH_FOLDER_ID", (WORKER,), ""),
            "Google Drive: the folder tree to read. Empty: everything the account may read.",
            is_common=True,
        ),
        Setting(
            *("GOOGLE_DRIVE_CREDENTIALS_JSON", (WORKER,), ""),
            "A service account's key or an OAuth token, as JSON in one line. Empty: the files in"
            " GOOGLE_CREDENTIALS_DIRECTORY.",
            is_secret=True,
            is_common=True,
        ),
        Setting(
            "GOOGLE_CREDENTIALS_DIRECTORY", (WORKER,), "google-credentials", in_container="/app/google-credentials"
        ),
        Setting("GOOGLE_DRIVE_TIMEOUT_SECONDS", (WORKER,), "60", "The longest silence of one request."),
        Setting("GOOGLE_DRIVE_DEADLINE_SECONDS", (WORKER,), "300", "One request, further attempts included."),
        Setting(
            *("GOOGLE_DRIVE_FOLLOW_SHORTCUTS", (WORKER,), "true"),
            "Shortcuts in the folder lead to whatever this account may read, wherever it lies.",
        ),
        Setting(
            *("GOOGLE_DRIVE_API_ENDPOINT", (WORKER,), ""),
            "scheme://host[:port] of a stand-in, or of Google's own private addresses. Empty: Google's public one.",
        ),
        Setting(
            *("RAG_INTERVAL_SECONDS", (WORKER,), "0"),
            "Between two looks at the source. 0: 10 for a folder, 60 for Google Drive.",
        ),
        Setting(
            *("RAG_FULL_LISTING_SECONDS", (WORKER,), "3600"),
            "How often everything is listed although nothing seems to have changed.",
        ),
        Setting(
            *("RAG_SETTLE_SECONDS_MAX", (WORKER,), "60"),
            "How long a single run waits for files that somebody is still writing.",
        ),
        Setting(
            *("RAG_ACCEPT_NEW_FOLDER", (WORKER,), "false"),
            "true, once: another folder or Google account that lacks most files is meant, and no mistake.",
        ),
    ),
)

INGESTION = Section(
    "Work of the ingestion worker",
    (
        Setting("RAG_WORKER_CONCURRENCY", (WORKER,), "12", "Documents one process works on at the same time."),
        Setting("RAG_WORKER_HEARTBEAT_SECONDS", (WORKER,), "5"),
        Setting(
            *("RAG_WORKER_STALLED_SECONDS", (WORKER,), "30"),
            "A worker not heard of for this long is dead, and its documents go to another.",
        ),
        Setting(
            *("RAG_WORKER_STOP_SECONDS", (WORKER,), "20"),
            "After a stop signal, documents being worked on may finish for this long; the rest is given back.",
        ),
        Setting("RAG_WORKER_POLL_SECONDS", (WORKER,), "5"),
        Setting(
            *("RAG_SYNC_LEASE_SECONDS", (WORKER,), "30"),
            "How long another replica waits for one that stopped renewing its turn to look at the source.",
        ),
        Setting(
            *("RAG_ATTEMPTS_MAX", (WORKER,), "6"),
            "How often a document is tried before it is left alone until it changes.",
        ),
        Setting("RAG_RETRY_WAIT_SECONDS", (WORKER,), "5", "Before the second attempt; doubled for each one after it."),
        Setting("RAG_RETRY_WAIT_MAX_SECONDS", (WORKER,), "600"),
        Setting(
            *("RAG_HEARTBEAT_FILE", (WORKER,), ""),
            "For `python -m rag_pipeline.health`. Empty: in the temporary folder.",
        ),
        Setting("RAG_FILE_MAX_BYTES", (WORKER,), "52428800"),
        Setting(
            *("RAG_FILES_MAX", (WORKER,), "200000"),
            "A source that lists more is not read: a mistaken folder, most likely.",
        ),
        Setting("RAG_PAGES_MAX", (WORKER,), "3000"),
        Setting("RAG_ARCHIVE_MAX_BYTES", (WORKER,), "524288000", "What docx, xlsx and pptx may expand to."),
        Setting("RAG_TEXT_MAX_CHARACTERS", (WORKER,), "20000000"),
        Setting("RAG_ROWS_MAX", (WORKER,), "100000", "Rows of a spreadsheet."),
        Setting("RAG_EXTRACT_TIMEOUT_SECONDS", (WORKER,), "120", "For one file, and for each of its scanned pages."),
        Setting("RAG_EXTRACT_MEMORY_MAX_BYTES", (WORKER,), "2147483648"),
        Setting("RAG_EXTRACT_PROCESSES", (WORKER,), "2"),
    ),
)

UPLOADS = Section(
    "Uploads",
    (
        Setting(
            *("UPLOAD_STORAGE", BOTH, "postgres"),
            "postgres | supabase (Storage of the project at SUPABASE_URL). Older uploads are read from where they are.",
            is_common=True,
        ),
        Setting(
            *("UPLOAD_BUCKET", BOTH, "agent-uploads"),
            "Made where it is missing, and of this installation alone: files in it that the database does not know are"
            " removed.",
            is_common=True,
        ),
        Setting("UPLOAD_FILE_MAX_BYTES", (API,), "20971520", is_common=True),
        Setting("UPLOADS_PER_USER_MAX", (API,), "200"),
        Setting("UPLOAD_BYTES_PER_USER_MAX", (API,), "524288000"),
        Setting("UPLOAD_RECEIVE_TIMEOUT_SECONDS", (API,), "300", "How long one file may take to arrive."),
        Setting("UPLOADS_AT_ONCE_MAX", (API,), "4", "Files that a process holds in memory at once; others wait."),
        Setting("UPLOAD_WAIT_SECONDS", (API,), "30", "How long they wait; then they are refused."),
        Setting(
            *("DOWNLOADS_PER_USER_MAX", (API,), "3"),
            "Files that are being sent; each is in memory until its reader has it.",
        ),
        Setting("DOWNLOADS_PER_PROCESS_MAX", (API,), "20"),
        Setting("STORAGE_TIMEOUT_SECONDS", (API,), "20", "One request of the API to Supabase Storage."),
        Setting("UPLOAD_TIMEOUT_SECONDS", (WORKER,), "60", "One upload that the worker fetches."),
        Setting(
            *("UPLOAD_SWEEP_INTERVAL_SECONDS", (API,), "3600"),
            "How often files in the bucket that no upload owns are looked for.",
        ),
        Setting("UPLOAD_SWEEP_GRACE_SECONDS", (API,), "3600", "How old they must be."),
        Setting(
            *("UPLOAD_SWEEP_SHARE_MAX", (API,), "0.5"),
            "None is removed where they are more of the bucket, as with the wrong database. 1, once: it is meant.",
        ),
    ),
)
