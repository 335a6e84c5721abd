"""The one table of settings. `python3 -m deployer.generate` writes everything that follows from it."""

from __future__ import annotations

from deployer.settings import answers, money, operation, storage
from deployer.settings.model import Reader, Section, Setting

SECTIONS: tuple[Section, ...] = (
    answers.MODEL,
    answers.EMBEDDINGS,
    storage.DATABASE,
    storage.SIGN_IN,
    money.STRIPE,
    operation.ADDRESSES,
    operation.THE_SITE,
    storage.SOURCES,
    answers.LIMITS,
    answers.RUNNING_ANSWERS,
    answers.BALANCE,
    answers.RERANK,
    storage.UPLOADS,
    storage.INGESTION,
    money.RECONCILIATION,
    operation.CONTAINERS,
    operation.OWN_DATABASE,
    operation.KEPT,
    operation.THE_EMBEDDED_STACK,
)
SETTINGS: dict[str, Setting] = {setting.name: setting for section in SECTIONS for setting in section.settings}
assert len(SETTINGS) == sum(len(section.settings) for section in SECTIONS), "each variable stands in one section"


def settings_of(reader: Reader) -> list[Setting]:
    """What one reader reads, in the order of the table."""
    return [setting for setting in SETTINGS.values() if reader in setting.readers]
