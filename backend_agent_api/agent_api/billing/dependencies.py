"""What billing's routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from agent_api.auth import AuthenticatedUser, CurrentUser
from agent_api.billing import queries
from agent_api.billing.errors import BillingUnavailable
from agent_api.billing.part import Billing
from agent_api.database import DatabaseOf
from agent_api.errors import Forbidden


def get_billing(request: Request) -> Billing:
    """Billing, where it is set up. Raises BillingUnavailable."""
    billing: Billing | None = request.app.state.billing
    if billing is None:
        raise BillingUnavailable
    return billing


BillingOf = Annotated[Billing, Depends(get_billing)]


async def get_admin(user: CurrentUser, database: DatabaseOf) -> AuthenticatedUser:
    """The caller, who is an operator. Raises Forbidden."""
    async with database.statement() as connection:
        if not await queries.is_admin(connection, user_id=user.id):
            raise Forbidden
    return user


CurrentAdmin = Annotated[AuthenticatedUser, Depends(get_admin)]
