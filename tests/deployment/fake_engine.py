"""Stands in for the program `docker`: containers come and go as Compose and the engine make and remove them."""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[0]).resolve().parent
STATE = HERE / "engine.json"
"""`containers`: id to labels; `fails`: the commands that do, each once the one before it has, the last for good;
`becomes`: the states that new containers go through; `places`: what Caddy knows."""
LABEL = "com.docker.compose."


def main(arguments: list[str]) -> int:
    state: dict[str, Any] = json.loads(STATE.read_text())
    with (HERE / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    containers: dict[str, dict[str, str]] = state["containers"]
    command, *rest = arguments
    is_compose = command == "compose"
    if is_compose:
        while rest[0] == "-f":
            rest = rest[2:]
        command, *rest = rest
    fails = state["fails"][:1] == [command]
    if fails:
        state["fails"] = state["fails"][1:] or state["fails"]
    if is_compose:
        compose(state, command, rest, fails=fails)
    else:
        for name in [argument for argument in rest if argument in containers]:
            if command == "inspect":
                print(described(rest[rest.index("--format") + 1], name, containers[name]))
            if command == "rm":
                assert containers.pop(name)["state"] == "stopped"
            if command == "stop":
                containers[name]["state"] = "stopped"
    STATE.write_text(json.dumps(state))
    return 1 if fails else 0


def compose(state: dict[str, Any], command: str, rest: list[str], *, fails: bool) -> None:
    containers: dict[str, dict[str, str]] = state["containers"]
    if command == "ps" and not fails:
        assert rest == ["--all", "--quiet", "agent-api"]
        print("\n".join(containers))
    if command == "exec":
        sys.stdin.read()
        assert rest == ["-T", "caddy", "printenv", "AGENT_API_UPSTREAMS"]
        print(state["places"])
    if command == "up" and "--scale" in rest:
        # With --wait Compose asks the old ones too how they are.
        assert {"--no-deps", "--no-recreate"} <= set(rest)
        assert "--wait" not in rest
        replicas = [labels for labels in containers.values() if labels["oneoff"] == "False"]
        highest = max(int(labels["container-number"]) for labels in replicas)
        for number in range(highest + 1, highest + 1 + int(rest[rest.index("--scale") + 1][10:]) - len(replicas)):
            labels = {"oneoff": "False", "container-number": str(number), "state": "running"}
            containers[f"id-of-{number}"] = {**labels, "becomes": state["becomes"]}


def described(template: str, name: str, labels: dict[str, str]) -> str:
    """What a Go template makes of it."""
    text = template.replace("{{.Id}}", name)
    if "{{.State." in text:
        now, _, later = labels["becomes"].partition(", ")
        labels["becomes"] = later or now
        status, health = now.split()
        text = text.replace("{{.State.Status}}", status).replace("{{.State.Health.Status}}", health)
    return re.sub(rf'{{{{index \.Config\.Labels "{re.escape(LABEL)}([\w-]+)"}}}}', lambda label: labels[label[1]], text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
