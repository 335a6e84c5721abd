"""deploy/gcp as far as it can be understood without Terraform: what is declared, and what is referred to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import hcl2

Block = dict[str, Any]
_ADDRESS = re.compile(r"(?<![\w.-])((?:data\.)?google_\w+\.\w+)")


@dataclass
class Module:
    """All files of a folder together, as Terraform reads them."""

    variables: dict[str, Block] = field(default_factory=dict[str, Block])
    locals: dict[str, Any] = field(default_factory=dict[str, Any])
    resources: dict[str, Block] = field(default_factory=dict[str, Block])
    """By `type.name`; of data, `data.type.name`."""
    expressions: list[str] = field(default_factory=list[str])

    def text_of(self, address: str) -> str:
        """All that a resource says."""
        return "\n".join(_texts(self.resources[address]))

    def waits_for(self, address: str, other: str) -> bool:
        """Whether Terraform makes the other one first: what a resource or a local it uses refers to, and so on."""
        seen: set[str] = set()
        open_ = [address]
        while open_:
            current = open_.pop()
            tree = self.locals if current.startswith("local.") else self.resources
            text = "\n".join(_texts(tree.get(current.removeprefix("local."))))
            found = set(_ADDRESS.findall(text)) | {f"local.{name}" for name in re.findall(r"\blocal\.(\w+)", text)}
            open_ += found - seen
            seen |= found
        return other in seen

    def references(self, kind: str) -> set[str]:
        """Names behind `var.` or `local.`."""
        return {name for text in self.expressions for name in re.findall(rf"\b{kind}\.(\w+)", text)}

    def resource_references(self) -> set[str]:
        return {address for text in self.expressions for address in _ADDRESS.findall(text)}


def read_module(folder: Path) -> Module:
    """Raises what the parser raises where a file is no HCL."""
    module = Module()
    for path in sorted(folder.glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            tree = cast(Block, hcl2.load(file))  # pyright: ignore[reportUnknownMemberType] - partly typed
        module.expressions += _texts(tree)
        for block in tree.get("variable", []):
            module.variables |= _named(block)
        for block in tree.get("locals", []):
            module.locals |= {name: value for name, value in block.items() if not name.startswith("__")}
        for prefix, kind in (("", "resource"), ("data.", "data")):
            for block in tree.get(kind, []):
                for type_name, named in _named(block).items():
                    module.resources |= {f"{prefix}{type_name}.{name}": body for name, body in _named(named).items()}
    return module


def plain(value: Any) -> Any:
    """A string without the quotation marks that the parser keeps."""
    return value[1:-1] if isinstance(value, str) and value[:1] == '"' else value


def _named(block: Block) -> dict[str, Any]:
    return {plain(name): value for name, value in block.items() if not name.startswith("__")}


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for value in cast(list[Any], tree):
            yield from _texts(value)
    elif isinstance(tree, dict):
        for name, value in cast(Block, tree).items():
            if name not in ("__comments__", "__inline_comments__"):
                yield name
                yield from _texts(value)
