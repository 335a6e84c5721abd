"""Random secrets of one installation, made once and kept until `--fresh`."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from local_stack.env_files import write_private


@dataclass(frozen=True)
class Secrets:
    """Everything random; all of it is safe in a URL and in a shell."""

    jwt_secret: str
    publishable_key: str
    secret_key: str
    demo_password: str
    admin_password: str
    stripe_secret_key: str
    stripe_webhook_secret: str

    @classmethod
    def create(cls) -> Secrets:
        return cls(
            jwt_secret=secrets.token_hex(32),
            publishable_key=f"sb_publishable_{secrets.token_hex(16)}",
            secret_key=f"sb_secret_{secrets.token_hex(16)}",
            demo_password=secrets.token_hex(6),
            admin_password=secrets.token_hex(12),
            stripe_secret_key=f"sk_test_{secrets.token_hex(24)}",
            stripe_webhook_secret=f"whsec_{secrets.token_hex(24)}",
        )

    @classmethod
    def load_or_create(cls, path: Path) -> Secrets:
        if path.exists():
            known = json.loads(path.read_text())
            # A later version may keep more of them: what is missing is made now, the rest stays.
            made = cls(**{**asdict(cls.create()), **known})
            if set(known) == set(asdict(made)):
                return made
        else:
            made = cls.create()
        write_private(path, json.dumps(asdict(made), indent=2) + "\n")
        return made
