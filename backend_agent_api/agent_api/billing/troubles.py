"""What goes wrong with one payment is told in the report, and keeps no other payment from being looked at."""

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import structlog

from agent_api.billing.client import Unreadable
from agent_api.billing.report import Difference, Report
from agent_api.errors import AppError, DatabaseUnavailable

log = structlog.stdlib.get_logger(__name__)


@contextmanager
def told_in(report: Report, *, payment_intent_id: str, purchase_id: UUID | None) -> Generator[None]:
    """Around the work on one payment. What concerns all of them passes: Stripe or the database away, a lost lease."""
    try:
        yield
    except DatabaseUnavailable:
        raise
    except Unreadable as error:
        _tell(report, payment_intent_id, purchase_id, error, ours="not looked at", stripe="unreadable")
    except AppError as error:
        _tell(report, payment_intent_id, purchase_id, error, ours=error.code, stripe="not compared")
    except asyncpg.PostgresError as error:
        # Its kind only: texts of errors hold what was refused.
        _tell(report, payment_intent_id, purchase_id, error, ours=f"SQLSTATE {error.sqlstate}", stripe="not compared")


def _tell(
    report: Report, payment_intent_id: str, purchase_id: UUID | None, error: Exception, *, ours: str, stripe: str
) -> None:
    log.error("payment_not_compared", payment_intent_id=payment_intent_id, exc_info=error)
    report.add_difference(
        Difference(
            payment_intent_id=payment_intent_id, purchase_id=purchase_id, field="error", ours=ours, stripe=stripe
        )
    )
