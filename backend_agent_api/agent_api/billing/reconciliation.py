"""What an operator may read about reconciliation, and decide about what it flagged."""

from uuid import UUID

from agent_api.billing import flag_queries, reconcile_queries
from agent_api.billing.errors import FlagNotFound, ReconciliationNeverRan
from agent_api.billing.lease import RECONCILIATION
from agent_api.billing.report import AcknowledgedFlag, FailedRunRead, PaymentFlag, ReconciliationRead, RunRead
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
        is_running=await reconcile_queries.is_lease_held(connection, name=RECONCILIATION),
        last_run=RunRead.model_validate(dict(rows["last"])),
        last_full_run=RunRead.model_validate(dict(rows["full"])) if "full" in rows else None,
        last_failure=FailedRunRead.model_validate(dict(failed)) if failed is not None and is_news else None,
        events_by_status=events,
        purchases_by_status=purchases,
        flagged_payments=[PaymentFlag.model_validate(dict(row)) for row in await flag_queries.list_flagged(connection)],
    )


async def acknowledge_flag(
    connection: Connection, *, payment_intent_id: str, admin_id: UUID, note: str
) -> AcknowledgedFlag:
    """Record that an operator has dealt with a flagged payment. Raises FlagNotFound."""
    row = await flag_queries.acknowledge_flag(
        connection, payment_intent_id=payment_intent_id, admin_id=admin_id, note=note
    )
    if row is None:
        raise FlagNotFound
    return AcknowledgedFlag.model_validate(dict(row))
