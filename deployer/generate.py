"""`python3 -m deployer.generate`: write what follows from the table of settings. A test fails where one drifts.

The `.env.example` files, the environment of the containers in both compose files and on Render, docs/settings.md, and
the names that deploy/gcp hands out.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deployer import render, terraform
from deployer.settings import SECTIONS, settings_of
from deployer.settings.model import API, PUBLIC_ONLY, SITE, WORKER, Reader, Section, Setting

REPOSITORY = Path(__file__).resolve().parent.parent
WIDTH = 120

HEADS = {
    Path(".env.example"): """\
# Copy to .env and fill in. Every line is NAME=value; a line that stays a comment keeps the default, or shows the shape.
# On a laptop nothing is needed: `python3 deploy.py --type embedded` brings a stand-in for everything left out here.
# These are the ones that people change. All of them, with who reads them: docs/settings.md.
""",
    Path("backend_agent_api/.env.example"): """\
# Settings of the agent API. Copy to .env beside this file, or set them in the environment, which wins.
# Every line is NAME=value; a line that stays a comment keeps the default it shows. Empty means not set.
# The service refuses to start, in one message, naming every variable that is missing or wrong.
""",
    Path("backend_rag_pipeline/.env.example"): """\
# Settings of the ingestion worker. Copy to .env beside this file, or set them in the environment, which wins; a file
# named by --config wins over both. Every line is NAME=value; a line that stays a comment keeps the default it shows.
# Empty means not set. The worker refuses to start, in one message, naming every variable that is missing or wrong.
""",
    Path("frontend/.env.example"): """\
# Addresses the browser uses. `npm run build` builds them into the site; its image takes them when it starts.
""",
}
READERS = {
    Path("backend_agent_api/.env.example"): API,
    Path("backend_rag_pipeline/.env.example"): WORKER,
    Path("frontend/.env.example"): SITE,
}
COMPOSE, BEHIND_CADDY = Path("docker-compose.yml"), Path("docker-compose.caddy.yml")
CONTAINERS: dict[str, tuple[Reader, ...]] = {
    "migrate": (Reader.MIGRATE,),
    "agent-api": (Reader.SERVER, API),
    "rag-pipeline": (WORKER,),
    "frontend": (SITE,),
}
# A container reads its environment alone, whatever lies in its folder.
FIXED = {"agent-api": ['AGENT_API_ENV_FILE: ""'], "rag-pipeline": ['RAG_PIPELINE_ENV_FILE: ""']}
CADDYS_DATA = "XDG_DATA_HOME: /data"
PAGE = Path("docs/settings.md")
PAGE_HEAD = """\
# Settings

Every variable of the product. They stand in `.env` beside `docker-compose.yml`, or in the environment of a service; an
empty one counts as not set. Secrets (marked) belong in no image, no repository and no log. This page is written by
`python3 -m deployer.generate` from [deployer/settings](../deployer/settings/): change it there.
"""


def outputs(repository: Path = REPOSITORY) -> dict[Path, str]:
    """Every generated file with its text."""
    files = {path: example_of_service(path, reader) for path, reader in READERS.items()}
    files[Path(".env.example")] = example_of_everything()
    for path, environments in ((COMPOSE, _environments()), (BEHIND_CADDY, _environments_behind_caddy())):
        files[path] = with_environments((repository / path).read_text(encoding="utf-8"), environments)
    files[render.PATH] = render.with_variables((repository / render.PATH).read_text(encoding="utf-8"))
    files[PAGE] = reference_page()
    files[terraform.PATH] = terraform.names_of_settings()
    return files


def example_of_everything() -> str:
    """What people change, in one file for all services."""
    lines = [HEADS[Path(".env.example")]]
    for section in SECTIONS:
        chosen = [setting for setting in section.settings if setting.is_common]
        if chosen:
            lines += _section(section.title, section.text)
            for setting in chosen:
                lines += [*_comment(setting.text), f"#{setting.name}={setting.example or setting.default}"]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def example_of_service(path: Path, reader: Reader) -> str:
    """All that one service reads; what it does not start without comes first and is no comment."""
    required = [setting for setting in settings_of(reader) if reader in setting.required_by]
    lines = [HEADS[path], *_section("Required")]
    for setting in required:
        lines += [*_comment(setting.text), f"{setting.name}={setting.example or setting.default_for(reader)}"]
    for section in SECTIONS:
        chosen = [setting for setting in section.settings if reader in setting.readers and setting not in required]
        if chosen:
            lines += ["", *_section(section.title, section.text)]
            for setting in chosen:
                lines += [*_comment(setting.text), f"#{setting.name}={setting.default_for(reader)}"]
    return "\n".join(lines) + "\n"


def _section(title: str, text: str = "") -> list[str]:
    return [f"# --- {title} ".ljust(WIDTH - 1, "-"), *_comment(text)]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def with_environments(compose: str, environments: Mapping[str, Sequence[str]]) -> str:
    """A compose file with the environment of each of these containers written anew."""
    for name, lines in environments.items():
        block = re.compile(rf"(?m)^(  {name}:\n(?:    .*\n|\n)*?    environment:\n)(?:      .*\n)+")
        text = "".join(f"      {line}\n" for line in lines)
        compose, count = block.subn(lambda found, text=text: found[1] + text, compose, count=1)
        assert count == 1, f"{name} has no environment"
    return compose


def _environments() -> dict[str, list[str]]:
    return {
        name: [*FIXED.get(name, []), *(_base_line(setting) for reader in readers for setting in settings_of(reader))]
        for name, readers in CONTAINERS.items()
    }


def _base_line(setting: Setting) -> str:
    value = setting.in_container or f"${{{setting.name}:-{setting.in_compose or ''}}}"
    return f"{setting.name}: {value}"


def _environments_behind_caddy() -> dict[str, list[str]]:
    """What is different there, and what Caddy itself gets."""
    environments = {
        name: [
            line
            for reader in readers
            for setting in settings_of(reader)
            if setting.behind_caddy is not None
            for line in _line_behind_caddy(setting)
        ]
        for name, readers in CONTAINERS.items()
    }
    caddy = [line for setting in settings_of(Reader.CADDY) for line in _line_behind_caddy(setting)]
    return {name: lines for name, lines in environments.items() if lines} | {"caddy": [CADDYS_DATA, *caddy]}


def _line_behind_caddy(setting: Setting) -> list[str]:
    """One line, or several that YAML joins."""
    otherwise = f":-{setting.default if setting.behind_caddy is None else setting.behind_caddy}"
    if setting.required == PUBLIC_ONLY:
        otherwise = f":?set {setting.name} in .env"
    value = f"${{{setting.name}{otherwise}}}"
    line = f"{setting.name}: {value}"
    if len(line) < WIDTH:
        return [line]
    folded = textwrap.wrap(value, WIDTH - 20, break_long_words=False, break_on_hyphens=False)
    return [f"{setting.name}: >-", *(f"  {part}" for part in folded)]


def reference_page() -> str:
    """Every variable with its default, its readers and what it does."""
    return "\n".join([PAGE_HEAD, *(line for section in SECTIONS for line in _page_section(section))])


def _page_section(section: Section) -> Iterator[str]:
    yield f"## {section.title}\n"
    if section.text:
        yield f"{section.text}\n"
    yield "| variable | default | read by | |"
    yield "|---|---|---|---|"
    for setting in section.settings:
        readers = ", ".join(setting.readers) or "nobody"
        yield f"| `{setting.name}` | {_defaults(setting)} | {readers} | {_remarks(setting)} |"
    yield ""


def _defaults(setting: Setting) -> str:
    shown = f"`{setting.default}`" if setting.default else ""
    if setting.worker_default is not None:
        shown += f", worker `{setting.worker_default}`"
    if setting.in_compose is not None and setting.in_compose != setting.default:
        shown += f", in containers `{setting.in_compose}`"
    if setting.in_container is not None:
        shown += f", in containers always `{setting.in_container}`"
    return shown.removeprefix(", ")


def _remarks(setting: Setting) -> str:
    parts = [setting.text.replace("|", "\\|")]
    if setting.example:
        parts.append(f"Like `{setting.example}`.")
    if setting.required:
        parts.append(f"**Required** {setting.required}.")
    if setting.is_secret:
        parts.append("**Secret.**")
    return " ".join(part for part in parts if part)


def main() -> None:
    """Write what differs, and name it."""
    for path, text in outputs().items():
        file = REPOSITORY / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
