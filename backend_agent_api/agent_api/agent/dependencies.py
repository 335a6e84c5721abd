"""What a tool may use: the person it works for and the ways to look things up."""

from dataclasses import dataclass, field
from uuid import UUID

from agent_api.agent.citations import Citations
from agent_api.agent.retrieval import Retriever
from agent_api.database import Database


@dataclass(frozen=True)
class AgentDependencies:
    """One per turn. `user_id` comes from the verified JWT; tools never take it from the model."""

    user_id: UUID
    database: Database
    retriever: Retriever
    citations: Citations = field(default_factory=Citations)
