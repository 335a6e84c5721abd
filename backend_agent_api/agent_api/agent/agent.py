"""The agent, built once per process."""

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from agent_api.agent import tools
from agent_api.agent.dependencies import AgentDependencies
from agent_api.agent.prompts import INSTRUCTIONS
from agent_api.settings import Settings

ChatAgent = Agent[AgentDependencies, str]


def build_agent(model: Model, settings: Settings) -> ChatAgent:
    """The agent with its tools; stateless, so that one serves every turn of the process."""
    return Agent(
        model,
        deps_type=AgentDependencies,
        instructions=INSTRUCTIONS,
        tools=[tools.retrieve_relevant_documents, tools.list_documents, tools.get_document_content],
        # A call that cannot be made is told to the model, which asks otherwise: only the limit of requests ends that.
        retries={"tools": settings.model_requests_per_answer_max, "output": 1},
    )


def usage_limits(settings: Settings) -> UsageLimits:
    """What one answer may cost at most."""
    return UsageLimits(request_limit=settings.model_requests_per_answer_max)
