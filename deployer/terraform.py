"""Which service reads which variable, for deploy/gcp: Terraform hands each of them its own."""

from __future__ import annotations

from pathlib import Path

from deployer.settings import settings_of
from deployer.settings.model import API, WORKER, Reader

PATH = Path("deploy/gcp/settings.tf")
HEAD = """\
# Who reads which variable. Written by `python3 -m deployer.generate` from the table of settings: change it there.
locals {
"""
LISTS = (
    ("settings_of_api", (API, Reader.SERVER), False),
    ("secrets_of_api", (API, Reader.SERVER), True),
    ("settings_of_ingestion", (WORKER,), False),
    ("secrets_of_ingestion", (WORKER,), True),
)


def names_of_settings() -> str:
    """The text of settings.tf."""
    return HEAD + "\n".join(_list(name, readers, is_secret) for name, readers, is_secret in LISTS) + "}\n"


def _list(name: str, readers: tuple[Reader, ...], is_secret: bool) -> str:
    names = sorted(
        setting.name for reader in readers for setting in settings_of(reader) if setting.is_secret is is_secret
    )
    return f"  {name} = [\n" + "".join(f'    "{each}",\n' for each in names) + "  ]\n"
