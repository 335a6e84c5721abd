"""What a listing says against what the database knows: new, changed, moved and vanished files."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag_pipeline.queries import KnownFile
from rag_pipeline.sources.source import JsonValue, Listing, SourceFile, SourceState

LOST_SHARE_MAX = 0.5
"""More of the files than this do not vanish by themselves."""


@dataclass(frozen=True)
class Difference:
    """`upserts` are new, changed or moved; `renames` leads from the former key to the present one."""

    upserts: tuple[SourceFile, ...]
    removed: tuple[str, ...]
    renames: dict[str, str] = field(default_factory=dict[str, str])


def is_unchanged(file: SourceFile, known: KnownFile) -> bool:
    """Whether nothing about the file needs to be written down."""
    return (file.fingerprint, file.identity, file.name, file.url) == (
        known.fingerprint,
        known.identity,
        known.name,
        known.url,
    )


def compare(listing: Listing, known: Mapping[str, KnownFile]) -> Difference:
    """Compare a complete listing. Files that are still being written are there, and neither new nor changed; what could
    not be looked at stays as it is known.

    What vanished while a new file of its size is still being written may be that file: it is decided once that one has
    settled.
    """
    files, unsettled = listing.files, listing.unsettled
    listed = {file.key for file in files} | unsettled
    vanished = [key for key in known if key not in listed and not is_unread(key, listing.unread)]
    renames = _renames_by_identity(files, vanished, known)
    moved = set(renames.values())
    upserts = tuple(
        file
        for file in files
        # One that only moved is nobody's unfinished writing, however young it is.
        if (file.key in moved or file.key not in unsettled)
        and not ((former := known.get(file.key)) and is_unchanged(file, former))
    )
    waiting_sizes = {
        file.size_bytes for file in files if file.key in unsettled and file.key not in known and file.key not in moved
    }
    removed = tuple(
        key for key in vanished if key not in renames and (known[key].size_bytes or None) not in waiting_sizes
    )
    return Difference(upserts, removed, renames)


def is_unread(key: str, unread: Collection[str]) -> bool:
    """Whether it, or a folder it is in, could not be looked at."""
    while key and unread:
        if key in unread:
            return True
        key = key.rpartition("/")[0]
    return False


def with_unread_mounts(before: Mapping[str, JsonValue], listing: Listing) -> SourceState:
    """The state to save: a disk that could not be read now is still one that may be found unmounted later."""
    former, present = before.get("mounts"), listing.state.get("mounts")
    if not isinstance(former, list) or not isinstance(present, list):
        return listing.state
    unread = [mount for mount in former if mount not in present and is_unread(str(mount), listing.unread)]
    return {**listing.state, "mounts": [*present, *unread]}


def why_lost(
    listing: Listing, difference: Difference, known: Mapping[str, KnownFile], before: Mapping[str, JsonValue]
) -> str | None:
    """Why most files may be missing by mistake; None: they are not, or somebody deleted them.

    An unmounted disk leaves an empty folder of another identity, or of the disk below it, in its place; an account that
    nothing is shared with sees an empty Drive; a wrong letter in a setting names another folder.
    """
    gone, total = len(difference.removed), len(known)
    if gone > total * LOST_SHARE_MAX and _is_other_drive_folder(before, listing.state):
        return f"another folder of Google Drive is watched, and {gone} of {total} files are not in it: is its id right?"
    if gone > total * LOST_SHARE_MAX and _is_other_account(before, listing):
        return (
            f"this account does not see {gone} of {total} files: is it another one, or are they not shared with it any"
            " more?"
        )
    for place in _replaced_folders(before, listing.state):
        gone = sum(key.startswith(place) for key in difference.removed)
        if gone > sum(key.startswith(place) for key in known) * LOST_SHARE_MAX:
            return (
                f"another folder stands where {place or 'the watched one'} was, and {gone} files are missing in it: is"
                " RAG_WATCH_DIRECTORY another one, or a disk not mounted?"
            )
    return None


def _replaced_folders(before: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> list[str]:
    """Beginnings of keys: of folders that are not those of the last look, or whose disk is not mounted any more."""
    then, here = before.get("folder"), now.get("folder")
    if not before or here is None:
        return []
    former, present = before.get("mounts"), now.get("mounts")
    unmounted = {str(mount) for mount in former} if isinstance(former, list) else set[str]()
    unmounted -= {str(mount) for mount in present} if isinstance(present, list) else set[str]()
    return ([""] if then != here else []) + [f"{mount}/" for mount in sorted(unmounted)]


def _is_other_drive_folder(before: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> bool:
    return bool(before) and "root_id" in now and before.get("root_id", "") != now["root_id"]


def _is_other_account(before: Mapping[str, JsonValue], listing: Listing) -> bool:
    """All that an account may read is watched, and it is not that of the last look, or may read nothing any more.

    A folder that is watched by its id was found; of a whole account nothing else tells whether it is the right one.
    """
    now = listing.state
    if "account" not in now or now.get("root_id") is not None:
        return False
    return not listing.files or now["account"] != before.get("account", now["account"])


def candidates_by_size(difference: Difference, known: Mapping[str, KnownFile]) -> dict[str, list[str]]:
    """New keys with the vanished ones of the same size: only their content can tell whether they are the same file."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for key in difference.removed:
        former = known[key]
        if former.content_hash is not None and former.size_bytes:
            by_size[former.size_bytes].append(key)
    taken = set(difference.renames.values())
    return {
        file.key: by_size[file.size_bytes]
        for file in difference.upserts
        if file.key not in known and file.key not in taken and file.size_bytes in by_size
    }


def with_renames(difference: Difference, renames: dict[str, str]) -> Difference:
    """The same with these renames; what was renamed is not removed."""
    removed = tuple(key for key in difference.removed if key not in renames)
    return replace(difference, removed=removed, renames=renames)


def _renames_by_identity(
    files: Sequence[SourceFile], vanished: Sequence[str], known: Mapping[str, KnownFile]
) -> dict[str, str]:
    """Files that moved within one file system: same identity and same content mark under another key."""
    by_mark = {
        (former.identity, _lasting(former.fingerprint)): key
        for key in vanished
        if (former := known[key]).identity is not None and former.fingerprint is not None
    }
    renames: dict[str, str] = {}
    for file in files:
        if file.identity is not None and file.key not in known:
            former_key = by_mark.pop((file.identity, _lasting(file.fingerprint)), None)
            if former_key is not None:
                renames[former_key] = file.key
    return renames


def _lasting(fingerprint: str) -> str:
    """The part of it that a rename leaves as it is."""
    return fingerprint.partition(";")[0]
