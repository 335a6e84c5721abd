"""What a listing says against what the database knows: new, changed, moved and vanished files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rag_pipeline.queries import KnownFile
from rag_pipeline.sources.source import SourceFile


@dataclass(frozen=True)
class Difference:
    """`upserts` are new, changed or moved; `renames` leads from the former key to the present one."""

    upserts: tuple[SourceFile, ...]
    removed: tuple[str, ...]
    renames: dict[str, str] = field(default_factory=dict[str, str])

    def __bool__(self) -> bool:
        return bool(self.upserts or self.removed)


def is_unchanged(file: SourceFile, known: KnownFile) -> bool:
    """Whether nothing about the file needs to be written down."""
    return (file.fingerprint, file.identity, file.name, file.url) == (
        known.fingerprint,
        known.identity,
        known.name,
        known.url,
    )


def compare(files: Sequence[SourceFile], unsettled: Iterable[str], known: Mapping[str, KnownFile]) -> Difference:
    """Compare a complete listing. Files that are still being written are there, and neither new nor changed."""
    waiting = frozenset(unsettled)
    listed = {file.key for file in files} | waiting
    upserts = tuple(
        file
        for file in files
        if file.key not in waiting and not ((former := known.get(file.key)) and is_unchanged(file, former))
    )
    removed = tuple(key for key in known if key not in listed)
    return Difference(upserts, removed)


def renames_by_identity(difference: Difference, known: Mapping[str, KnownFile]) -> dict[str, str]:
    """Files that moved within one file system: same identity and same content mark under another key."""
    vanished: dict[tuple[str, str], str] = {
        (former.identity, former.fingerprint): key
        for key in difference.removed
        if (former := known[key]).identity is not None and former.fingerprint is not None
    }
    renames: dict[str, str] = {}
    for file in difference.upserts:
        if file.identity is None or file.key in known:
            continue
        former_key = vanished.pop((file.identity, file.fingerprint), None)
        if former_key is not None:
            renames[former_key] = file.key
    return renames


def candidates_by_size(
    difference: Difference, renames: Mapping[str, str], known: Mapping[str, KnownFile]
) -> dict[str, list[str]]:
    """New keys with the vanished ones of the same size: only their content can tell whether they are the same file."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for key in difference.removed:
        former = known[key]
        if key not in renames and former.content_hash is not None and former.size_bytes:
            by_size[former.size_bytes].append(key)
    taken = set(renames.values())
    return {
        file.key: by_size[file.size_bytes]
        for file in difference.upserts
        if file.key not in known and file.key not in taken and file.size_bytes in by_size
    }


def with_renames(difference: Difference, renames: dict[str, str]) -> Difference:
    removed = tuple(key for key in difference.removed if key not in renames)
    return Difference(difference.upserts, removed, renames)
