"""What a tool may use: the person it works for and the ways to look things up."""

from dataclasses import dataclass
from uuid import UUID

from agent_api.database import Database
from agent_api.embeddings import Embedder


@dataclass(frozen=True)
class AgentDependencies:
    """One per turn. `user_id` comes from the verified JWT; tools never take it from the model."""

    user_id: UUID
    database: Database
    embedder: Embedder
