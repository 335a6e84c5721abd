"""`python -m agent_api.doctor`: examine the configuration and what it leads to.

Reads the service's environment. Ends with 0 when nothing failed, 1 when something did, 2 when it could not be done.
"""

import asyncio
import logging
import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent_api.billing.examination import examine_stripe, examine_webhook
from agent_api.doctor.addresses import api_url_of, examine_api, examine_site
from agent_api.doctor.clock import Clock
from agent_api.doctor.configuration import read_configuration
from agent_api.doctor.database import examine_database
from agent_api.doctor.findings import Findings, run_check, warn
from agent_api.doctor.model import examine_embedding, examine_model
from agent_api.doctor.signing_in import examine_auth
from agent_api.logs import configure_logs

DATABASE_SECONDS_MAX = 120.0
Check = Callable[[], Awaitable[Findings]]


async def examine(environment: Mapping[str, str] = os.environ, **overrides: Any) -> Findings:
    """Every finding, in the order of the report. What a wrong variable belongs to is left out, and said so.

    `overrides` are those of `load_settings`.
    """
    settings, faulty, findings = read_configuration(**overrides)
    clock, api_url = Clock(), api_url_of(environment)
    with_database = "database_url" not in faulty
    checks: list[tuple[str, set[str], Check, float]] = [
        ("database", {"database_url"}, lambda: examine_database(settings, clock), DATABASE_SECONDS_MAX),
        (
            "embedding",
            {"embedding_base_url", "embedding_provider", "embedding_model_choice", "llm_api_key"},
            lambda: examine_embedding(settings, with_database=with_database),
            20,
        ),
        ("model", {"llm_base_url", "llm_provider", "llm_api_key"}, lambda: examine_model(settings), 20),
        ("auth", {"supabase_url", "supabase_service_key"}, lambda: examine_auth(settings, clock), 25),
        (
            "stripe key",
            # Without a stand-in's address the key would go to Stripe itself, which nobody asked for.
            {"stripe_secret_key", "stripe_api_base"},
            lambda: examine_stripe(settings, clock),
            20,
        ),
        ("webhook", {"stripe_webhook_secret"}, lambda: examine_webhook(settings, api_url), 35),
        ("api", set(), lambda: examine_api(api_url), 25),
        ("site", {"frontend_url"}, lambda: examine_site(settings.frontend_url), 20),
    ]
    results = await asyncio.gather(*(_examine(*check, faulty=faulty) for check in checks))
    return [*findings, *(finding for result in results for finding in result), clock.finding()]


async def _examine(name: str, needs: set[str], check: Check, seconds_max: float, *, faulty: set[str]) -> Findings:
    if missing := needs & faulty:
        variables = ", ".join(sorted(missing)).upper()
        return [warn(name, "not examined", f"correct {variables} first, then run this again")]
    return await run_check(name, check, cure="run this again; if it stays so, look at its log", seconds_max=seconds_max)


def main() -> int:
    """Examine and print. Returns the exit status."""
    # The report is all that is printed: neither logs nor what libraries announce.
    configure_logs("CRITICAL")
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    findings = asyncio.run(examine())
    print(render(findings))
    return status_of(findings)


def render(findings: Findings) -> str:
    """The report: a line for each finding, and their sums."""
    failed, warned = (sum(finding.level == level for finding in findings) for level in ("FAIL", "warn"))
    sums = f"{failed} failed, {warned} to look at, {len(findings) - failed - warned} ok"
    return "\n".join([*(finding.lines() for finding in findings), "", sums])


def status_of(findings: Findings) -> int:
    """What the command ends with."""
    return 1 if any(finding.level == "FAIL" for finding in findings) else 0


if __name__ == "__main__":
    try:
        status = main()
    except KeyboardInterrupt:
        status = 2
    except Exception as error:
        print(f"The examination itself failed ({type(error).__name__}).", file=sys.stderr)
        status = 2
    sys.exit(status)
