"""Variables of addresses, containers and the embedded stack."""

from __future__ import annotations

from deployer.settings.model import API, BOTH, PUBLIC_ONLY, SITE, Reader, Section, Setting

CADDY, COMPOSE, DEPLOY = Reader.CADDY, Reader.COMPOSE, Reader.DEPLOY
EMBEDDED, MIGRATE = Reader.EMBEDDED, Reader.MIGRATE
PLACES = 8
"""The replicas of the API that Caddy looks for."""

ADDRESSES = Section(
    "Addresses and environment",
    (
        Setting(
            *("ENVIRONMENT", BOTH, "development", "development | production (the default behind Caddy)"),
            behind_caddy="production",
            is_common=True,
        ),
        Setting("LOG_LEVEL", BOTH, "INFO", "DEBUG | INFO | WARNING | ERROR"),
        Setting(
            *("FRONTEND_URL", (API,), "http://localhost:8082"),
            "Where people come back to after paying. Behind Caddy: https://FRONTEND_HOSTNAME.",
            behind_caddy="https://${FRONTEND_HOSTNAME}",
            is_common=True,
        ),
        Setting(
            *("CORS_ORIGINS", (API,), ""),
            "Comma-separated origins that may call the API from a browser. Empty: only FRONTEND_URL.",
            is_common=True,
        ),
        Setting(
            *("AGENT_API_HOSTNAME", (CADDY, COMPOSE, DEPLOY)),
            text="The API's public name.",
            example="agent.yourdomain.com",
            required=PUBLIC_ONLY,
            is_common=True,
        ),
        Setting(
            *("FRONTEND_HOSTNAME", (CADDY, COMPOSE, DEPLOY)),
            text="The site's public name.",
            example="chat.yourdomain.com",
            required=PUBLIC_ONLY,
            is_common=True,
        ),
        Setting(
            *("LETSENCRYPT_EMAIL", (CADDY,)),
            text="Let's Encrypt writes there before a certificate runs out.",
            required=PUBLIC_ONLY,
            is_common=True,
        ),
    ),
)

THE_SITE = Section(
    "Site",
    (
        Setting(
            *("VITE_SUPABASE_URL", (SITE,)),
            text="The address of the Supabase project as browsers reach it.",
            example="https://your-project.supabase.co",
            required_by=(SITE,),
            required="always",
            is_common=True,
        ),
        Setting(
            *("VITE_SUPABASE_ANON_KEY", (SITE,), "", "The publishable (anon) key: made for browsers."),
            required_by=(SITE,),
            required="always",
            is_common=True,
        ),
        Setting(
            *("VITE_AGENT_ENDPOINT", (SITE,), "http://localhost:8001/api/pydantic-agent"),
            "The agent API; every other route of it is derived from this one. Behind Caddy:"
            " https://AGENT_API_HOSTNAME/api/pydantic-agent.",
            in_compose="http://localhost:8001/api/pydantic-agent",
            behind_caddy="https://${AGENT_API_HOSTNAME}/api/pydantic-agent",
            required_by=(SITE,),
            is_common=True,
        ),
    ),
    "What browsers need to know; none of it is a secret. The image takes it when it starts.",
)

CONTAINERS = Section(
    "Containers",
    (
        Setting(
            *("AGENT_API_REPLICAS", (COMPOSE, DEPLOY), "1"),
            "Behind Caddy, up to 8; more with AGENT_API_UPSTREAMS. Without Caddy one holds port 8001.",
        ),
        Setting("RAG_PIPELINE_REPLICAS", (COMPOSE, DEPLOY), "1", "0: ingestion runs on a schedule."),
        Setting("PUBLISH_ADDRESS", (COMPOSE,), "127.0.0.1", "Where ports 8001 and 8082 are published without Caddy."),
        Setting(
            *("AGENT_API_STOP_SECONDS", (COMPOSE,), "340"),
            "Longer than UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN, that than SHUTDOWN_GRACE_SECONDS, that than"
            " MODEL_DEADLINE_SECONDS.",
        ),
        Setting(
            *("UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN", (Reader.SERVER,), "40"),
            "Ends whatever still holds a connection.",
            in_compose="325",
        ),
        Setting("RAG_PIPELINE_STOP_SECONDS", (COMPOSE,), "60", "Longer than RAG_WORKER_STOP_SECONDS."),
        Setting("AGENT_API_CPUS", (COMPOSE,), "2"),
        Setting("AGENT_API_MEMORY", (COMPOSE,), "1g"),
        Setting("RAG_PIPELINE_CPUS", (COMPOSE,), "2"),
        Setting("RAG_PIPELINE_MEMORY", (COMPOSE,), "5g"),
        Setting(
            *("AGENT_API_UPSTREAMS", (CADDY,)),
            text="Empty: the names of up to eight replicas of the API; Caddy finds out which of them run.",
            behind_caddy=" ".join(
                f"${{COMPOSE_PROJECT_NAME}}-agent-api-{number}:8001" for number in range(1, PLACES + 1)
            ),
        ),
        Setting(
            *("AGENT_API_RESPONSE_SECONDS", (CADDY, DEPLOY), "330"),
            "How long Caddy waits for a reply to begin; an answer in one piece begins when it is complete. Longer than"
            " MODEL_DEADLINE_SECONDS, and than the 300 s that sharing a large document may take.",
        ),
        Setting("UPLOAD_BODY_MAX_BYTES", (CADDY,), "22020096", "A file and what surrounds it."),
        Setting("CADDY_GLOBAL_OPTIONS", (CADDY,), "", "Lines for the global options of the Caddyfile."),
        Setting(
            *("DEPLOY_HEALTH_SECONDS", (DEPLOY,), "300"),
            "How long `deploy.py` waits for the containers to be healthy, and then for certificates of public names.",
        ),
        Setting(*("DEPLOY_HTTPS_PORT", (DEPLOY,), "443"), "Where `deploy.py` then asks for them, as browsers will."),
        Setting("MIGRATE_CONNECT_SECONDS", (MIGRATE,), "120", "Until the database and its accounts are there."),
        Setting("MIGRATE_WAIT_SECONDS", (MIGRATE,), "600", "For another migration that is under way."),
        Setting("MIGRATE_LOCK_SECONDS", (MIGRATE,), "60", "For a table that somebody else holds."),
        Setting("MIGRATE_STATEMENT_SECONDS", (MIGRATE,), "3600", "For one statement."),
    ),
)

OWN_DATABASE = Section(
    "A database of your own in a container",
    (
        Setting(
            *("COMPOSE_PROFILES", (COMPOSE, DEPLOY), ""),
            "database: Postgres and Supabase's auth service start too. Behind Caddy (--type cloud): nothing else leads"
            " browsers to the auth service.",
        ),
        Setting(
            *("POSTGRES_PASSWORD", (COMPOSE,)),
            text="Letters and digits: it stands in addresses.",
            required="with COMPOSE_PROFILES=database",
            is_secret=True,
        ),
        Setting("DATABASE_CPUS", (COMPOSE,), "2"),
        Setting("DATABASE_MEMORY", (COMPOSE,), "2g"),
        Setting(
            *("AUTH_MAILER_AUTOCONFIRM", (COMPOSE,), "false"),
            "true: sign-up needs no mail, and whoever comes gets in unconfirmed.",
        ),
        Setting(
            *("AUTH_SMTP_HOST", (COMPOSE,)),
            text="Sends the mails that confirm an address.",
            required="with COMPOSE_PROFILES=database, unless AUTH_MAILER_AUTOCONFIRM=true",
        ),
        Setting("AUTH_SMTP_PORT", (COMPOSE,), "587"),
        Setting("AUTH_SMTP_USER", (COMPOSE,)),
        Setting("AUTH_SMTP_PASSWORD", (COMPOSE,), is_secret=True),
        Setting(*("AUTH_SMTP_SENDER", (COMPOSE,)), text="Who they come from.", required="together with AUTH_SMTP_HOST"),
    ),
    "DATABASE_URL is then postgresql://postgres:POSTGRES_PASSWORD@database:5432/postgres.",
)

KEPT = Section(
    "Kept for older files",
    tuple(
        Setting(name, (), default, text, is_secret=is_secret, is_common=True, is_kept=True)
        for name, default, text, is_secret in (
            ("BRAVE_API_KEY", "", "Web search: not used yet.", True),
            ("SEARXNG_BASE_URL", "", "Web search: not used yet.", False),
            ("LANGFUSE_PUBLIC_KEY", "", "Traces: not used yet.", False),
            ("LANGFUSE_SECRET_KEY", "", "", True),
            ("LANGFUSE_HOST", "https://cloud.langfuse.com", "", False),
            ("VITE_LANGFUSE_HOST_WITH_PROJECT", "", "Links to traces on the admin desk: not used yet.", False),
            ("VITE_ENABLE_STREAMING", "true", "Answers always stream.", False),
            ("VITE_STRIPE_PUBLISHABLE_KEY", "", "People pay on Stripe's own page.", False),
        )
    ),
    "Accepted, and read by nobody.",
)

THE_EMBEDDED_STACK = Section(
    "The embedded stack on this machine",
    (
        Setting("EMBEDDED_API_PORT", (EMBEDDED,), "8001", is_common=True),
        Setting("EMBEDDED_FRONTEND_PORT", (EMBEDDED,), "8082", is_common=True),
        Setting("EMBEDDED_AUTH_PORT", (EMBEDDED,), "54321", is_common=True),
        Setting("EMBEDDED_POSTGRES_PORT", (EMBEDDED,), "54322", is_common=True),
        Setting("EMBEDDED_MODEL_PORT", (EMBEDDED,), "54323", is_common=True),
        Setting("EMBEDDED_STRIPE_PORT", (EMBEDDED,), "54324", is_common=True),
        Setting("EMBEDDED_STATE_DIR", (EMBEDDED,), ".embedded", is_common=True),
    ),
)
