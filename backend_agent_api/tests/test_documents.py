"""What the folder's files promise is what the code reads."""

import re
from pathlib import Path

from agent_api.settings import Settings, load_settings

SERVICE = Path(__file__).resolve().parents[1]
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def test_the_example_names_every_setting_and_no_other() -> None:
    named = [name for name, _ in ASSIGNMENT.findall((SERVICE / ".env.example").read_text())]
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_the_defaults_that_the_example_shows_are_the_defaults(tmp_path: Path) -> None:
    text = (SERVICE / ".env.example").read_text().replace("LLM_API_KEY=\n", "LLM_API_KEY=key\n", 1)
    text = text.replace("SUPABASE_SERVICE_KEY=\n", "SUPABASE_SERVICE_KEY=key\n")
    bare, shown = tmp_path / "bare", tmp_path / "shown"
    bare.write_text(text)
    # The shapes of Stripe's keys are no defaults.
    shown.write_text(re.sub(r"^#(?=[A-Z])(?!STRIPE_(?:SECRET_KEY|WEBHOOK_SECRET)=)", "", text, flags=re.MULTILINE))
    assert load_settings(_env_file=shown) == load_settings(_env_file=bare)
