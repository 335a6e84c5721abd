"""The settings as the service reads them; where some are wrong, others take their place so the rest is examined."""

from typing import Any

from agent_api.doctor.findings import Findings, fail, ok
from agent_api.settings import Settings, SettingsError, load_settings

STAND_INS: dict[str, Any] = {
    "database_url": "postgresql://nobody@127.0.0.1:9/none",
    "supabase_url": "http://127.0.0.1:9",
    "supabase_service_key": "none",
}
CURE = "set it in .env, or in the environment of the service; .env.example shows each"


def read_configuration(**overrides: Any) -> tuple[Settings, set[str], Findings]:
    """Settings, the fields of it that are stand-ins and must not be used, and what to tell."""
    try:
        return load_settings(**overrides), set(), [ok("settings", "complete")]
    except SettingsError as error:
        # "NAME: reason" in every line after the first; values are never among them.
        problems = [line.strip() for line in str(error).splitlines()[1:]]
    faulty = {problem.partition(":")[0].lower() for problem in problems}
    replaced = {
        name: STAND_INS.get(name, field.default) for name, field in Settings.model_fields.items() if name in faulty
    }
    return Settings(**overrides | replaced), faulty, [fail("settings", problem, CURE) for problem in problems]
