"""HTTP of the caller's profile."""

from uuid import UUID

from fastapi import APIRouter

from agent_api.auth import CurrentUser
from agent_api.database import Connection, Transaction
from agent_api.documentation import documented
from agent_api.errors import AccountNotFound
from agent_api.profile import queries
from agent_api.profile.schemas import ProfileRead, ProfileUpdate

router = APIRouter(prefix="/api/profile", tags=["profile"])

PROFILE_EXAMPLE = {
    "id": "8d3c1a52-0b57-4c0f-8d2d-3a0c5b7e9a10",
    "email": "person@example.com",
    "full_name": "Sample Person",
    "is_admin": False,
    "tokens": 42,
    "created_at": "2026-11-21T10:15:00Z",
}


async def _read(connection: Connection, user_id: UUID) -> ProfileRead:
    row = await queries.read_profile(connection, user_id=user_id)
    if row is None:
        raise AccountNotFound
    return ProfileRead.model_validate(dict(row))


@router.get("", summary="Who am I", responses=documented(AccountNotFound, example=PROFILE_EXAMPLE))
async def get_profile(user: CurrentUser, connection: Transaction) -> ProfileRead:
    """Return the caller's profile with their spendable tokens."""
    return await _read(connection, user.id)


@router.patch("", summary="Change my name", responses=documented(AccountNotFound, example=PROFILE_EXAMPLE))
async def update_profile(changes: ProfileUpdate, user: CurrentUser, connection: Transaction) -> ProfileRead:
    """Set the caller's name, or clear it. Other fields in the body are ignored."""
    await queries.update_name(connection, user_id=user.id, full_name=changes.full_name)
    return await _read(connection, user.id)
