"""Which replicas of the API Caddy finds: it looks for names, and Compose numbers a new one after the highest."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.health import Container
from deployer.problems import Problem
from deployer.settings.operation import PLACES
from deployer.target import Target

SERVICE = "agent-api"


def examine_places(target: Target, containers: Iterable[Container]) -> list[Problem]:
    """Replicas that run and get nothing to do: after upgrades without a gap numbers are high."""
    prefix = f"{target.project}-{SERVICE}-"
    places = _places(target, prefix)
    # Other names lead to them too: that of the service, or one that somebody gave them.
    is_known = all(place.startswith(prefix) for place in places)
    lost = [each.name for each in containers if is_known and _runs(each) and each.name not in places]
    if not lost:
        return []
    again = " ".join(["docker", *target.compose("rm", "--stop", "--force", SERVICE)])
    cure = f"{again}, then this again: numbers begin at 1, after a gap; or name further ones in AGENT_API_UPSTREAMS"
    return [Problem("replicas", f"Caddy has no place for {', '.join(lost)}", cure)]


def _runs(container: Container) -> bool:
    return container.service == SERVICE and container.state == "running"


def _places(target: Target, prefix: str) -> set[str]:
    """Hosts that Caddy looks for."""
    named = target.variables().get("AGENT_API_UPSTREAMS", "").split()
    found = [place.rpartition("//")[2].partition(":")[0] for place in named]
    return set(found or (f"{prefix}{number}" for number in range(1, PLACES + 1)))
