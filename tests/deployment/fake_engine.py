"""Stands in for the program `docker`: containers come and go as Compose and the engine make and remove them."""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[0]).resolve().parent
STATE = HERE / "engine.json"
"""`containers`: id to labels; `fails`: the command that does; `places`: what Caddy knows."""
LABEL = "com.docker.compose."


def main(arguments: list[str]) -> int:
    state: dict[str, Any] = json.loads(STATE.read_text())
    with (HERE / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    containers: dict[str, dict[str, str]] = state["containers"]
    command, *rest = arguments
    if command == "compose":
        while rest[0] == "-f":
            rest = rest[2:]
        command, *rest = rest
        status = compose(state, command, rest)
    else:
        status = 0
        for name in [argument for argument in rest if argument in containers]:
            if command == "inspect":
                print(described(rest[rest.index("--format") + 1], name, containers[name]))
            if command == "rm":
                assert containers.pop(name)["state"] == "stopped"
            if command == "stop":
                containers[name]["state"] = "stopped"
    STATE.write_text(json.dumps(state))
    return 1 if command == state["fails"] else status


def compose(state: dict[str, Any], command: str, rest: list[str]) -> int:
    containers: dict[str, dict[str, str]] = state["containers"]
    if command == "ps":
        assert rest == ["--all", "--quiet", "agent-api"]
        print("\n".join(containers))
    if command == "exec":
        assert rest == ["-T", "caddy", "printenv", "AGENT_API_UPSTREAMS"]
        print(state["places"])
    if command == "up" and "--scale" in rest:
        assert {"--no-deps", "--no-recreate", "--wait"} <= set(rest)
        replicas = [labels for labels in containers.values() if labels["oneoff"] == "False"]
        highest = max(int(labels["container-number"]) for labels in replicas)
        for number in range(highest + 1, highest + 1 + int(rest[rest.index("--scale") + 1][10:]) - len(replicas)):
            containers[f"id-of-{number}"] = {"oneoff": "False", "container-number": str(number), "state": "running"}
    return 0


def described(template: str, name: str, labels: dict[str, str]) -> str:
    """What a Go template makes of it."""
    text = template.replace("{{.Id}}", name)
    return re.sub(rf'{{{{index \.Config\.Labels "{re.escape(LABEL)}([\w-]+)"}}}}', lambda label: labels[label[1]], text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
