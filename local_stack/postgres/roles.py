"""Login roles of the cluster and their random passwords."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

SUPERUSER = "supabase_admin"
LOGIN_ROLES = (SUPERUSER, "postgres", "authenticator", "supabase_auth_admin")


@dataclass(frozen=True)
class Credentials:
    """One password per login role, kept in a file only its owner may read."""

    passwords: dict[str, str]

    @classmethod
    def load_or_create(cls, path: Path) -> Credentials:
        if path.exists():
            return cls(json.loads(path.read_text()))
        credentials = cls({role: secrets.token_urlsafe(24) for role in LOGIN_ROLES})
        partial = path.with_name(f"{path.name}.partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(credentials.passwords, file)
        partial.replace(path)
        return credentials

    def password_sql(self) -> str:
        """Statements that give every login role its password. The passwords are URL-safe, so nothing needs quoting."""
        return "".join(f"alter role {role} password '{password}';\n" for role, password in self.passwords.items())
