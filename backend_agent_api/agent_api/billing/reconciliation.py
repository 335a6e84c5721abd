"""What an operator may read about reconciliation."""

from agent_api.billing import reconcile_queries
from agent_api.billing.errors import ReconciliationNeverRan
from agent_api.billing.report import FailedRunRead, PaymentFlag, ReconciliationRead, RunRead
from agent_api.database import Connection


async def get_reconciliation(connection: Connection) -> ReconciliationRead:
    """The newest runs and what waits for an operator. Raises ReconciliationNeverRan."""
    rows = {row["kind"]: row for row in await reconcile_queries.read_runs(connection)}
    if "last" not in rows:
        raise ReconciliationNeverRan
    events, purchases = await reconcile_queries.count_by_status(connection)
    failed = rows.get("failed")
    is_news = failed is not None and failed["started_at"] > rows["last"]["started_at"]
    return ReconciliationRead(
        last_run=RunRead.model_validate(dict(rows["last"])),
        last_full_run=RunRead.model_validate(dict(rows["full"])) if "full" in rows else None,
        last_failure=FailedRunRead.model_validate(dict(failed)) if failed is not None and is_news else None,
        events_by_status=events,
        purchases_by_status=purchases,
        flagged_payments=[
            PaymentFlag.model_validate(dict(row)) for row in await reconcile_queries.list_flagged(connection)
        ],
    )
