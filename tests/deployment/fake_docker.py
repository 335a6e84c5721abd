"""Stands in for the program `docker`: notes how it is called and answers as its file of answers says."""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[0]).resolve().parent
DAEMON_DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def main(arguments: list[str]) -> int:
    answers: dict[str, Any] = json.loads((HERE / "answers.json").read_text())
    with (HERE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    if arguments[:2] == ["compose", "version"]:
        return say(answers["compose"])
    if not answers["daemon"]:
        print(DAEMON_DOWN, file=sys.stderr)
        return 1
    if arguments[0] == "compose":
        return compose(answers, after_options(arguments[1:]))
    if arguments[0] == "ps" and "working_dir" in arguments[-1]:
        return say(answers["neighbours"])
    return say({"version": "28.5.1", "info": str(HERE), "ps": answers["published"]}.get(arguments[0]))


def after_options(arguments: list[str]) -> list[str]:
    """What follows `-p project -f file ...`; like the real one, a file that is not there is refused."""
    options = ("-p", "-f", "--env-file", "--profile")
    while arguments and arguments[0] in options:
        if arguments[0] in ("-f", "--env-file") and not Path(arguments[1]).exists():
            print(f"open {arguments[1]}: no such file or directory", file=sys.stderr)
            sys.exit(14)
        arguments = arguments[2:]
    return arguments


def compose(answers: dict[str, Any], arguments: list[str]) -> int:
    command, *rest = arguments
    if command == "ps":
        return say(next_of(answers["containers"]))
    if command == "logs":
        return say(answers["logs"].get(rest[-1], ""))
    if command == "config":
        return say(answers["services"])
    if command == "up":
        print("building")
    return int(answers.get(command, 0))


def next_of(turns: list[str]) -> str:
    """One answer after the other; the last one stays."""
    counter = HERE / "turns"
    turn = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(turn + 1))
    return turns[min(turn, len(turns) - 1)]


def say(text: str | None) -> int:
    if text is None:
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
