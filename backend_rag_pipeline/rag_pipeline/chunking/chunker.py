"""Cuts a document into chunks at headings, paragraphs and sentences, within the embedding model's limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from semantic_text_splitter import MarkdownSplitter

from rag_pipeline.chunking.estimate import estimate_model_tokens
from rag_pipeline.chunking.measure import Measure, measure_for
from rag_pipeline.chunking.model import Chunk, ChunkSettings
from rag_pipeline.chunking.outline import Outline
from rag_pipeline.chunking.segments import segments
from rag_pipeline.extractors.model import Extraction
from rag_pipeline.settings import Settings

PAGE_SEPARATOR = "\n\n"
CONTEXT_SEPARATOR = " \u203a "
_JOINT_MODEL_TOKENS = 8
"""What a model adds around a text, and what joining two texts may add."""
_CONTEXT_STEP = 16
_TITLE_MAX_CHARACTERS = 200


@dataclass(frozen=True)
class _Piece:
    """A range of the whole text; `new_from` is where what the piece before it has not ends."""

    start: int
    end: int
    new_from: int
    page: int | None


def chunk_document(extraction: Extraction, *, title: str, settings: ChunkSettings) -> list[Chunk]:
    """All chunks, in order. Together they hold every character of the text that is no space.

    Blocks for as long as counting takes (1 MB of text: about a second), so call it in a thread.
    """
    measure = measure_for(settings.embedding_model, settings.tokenizer_file)
    text = whole_text(extraction)
    outline = Outline(text)
    contexts = _Contexts(outline, measure, title=title, settings=settings)
    pieces: list[_Piece] = []
    position = 0
    for page in extraction.pages:
        end = position + len(page.text)
        pieces += _split(text, position, end, page.number, measure=measure, contexts=contexts, settings=settings)
        position = end + len(PAGE_SEPARATOR)
    return [_chunk(index, piece, text, outline, contexts) for index, piece in enumerate(pieces)]


def whole_text(extraction: Extraction) -> str:
    """The text that character ranges refer to."""
    return PAGE_SEPARATOR.join(page.text for page in extraction.pages)


def chunk_settings(settings: Settings) -> ChunkSettings:
    """The sizes that the settings ask for."""
    return ChunkSettings(
        model_tokens_max=settings.chunk_model_tokens_max,
        overlap_model_tokens=settings.chunk_overlap_model_tokens,
        embedding_model=settings.embedding_model_choice,
        tokenizer_file=settings.embedding_tokenizer_file,
    )


class _Contexts:
    """What stands before each chunk, within a share of the limit that is the same for the whole document."""

    def __init__(self, outline: Outline, measure: Measure, *, title: str, settings: ChunkSettings) -> None:
        self._outline = outline
        self._measure = measure
        self._title = " ".join(title.split())[:_TITLE_MAX_CHARACTERS]
        self._limit = settings.model_tokens_max // 4
        self._cache: dict[tuple[tuple[str, ...], str], str] = {}
        self.model_tokens = self._budget()

    def at(self, position: int) -> str:
        """The context of a chunk whose own text begins here."""
        return self._of(self._outline.path_at(position), self._outline.header_at(position))

    def is_heading_only(self, start: int, end: int, text: str) -> bool:
        """Whether a range holds headings and nothing under them."""
        return self._outline.skip_headings(start, end, text) >= end

    def _budget(self) -> int:
        """What every context of the document fits into; rounded, so that a few splitters serve all documents."""
        found = [self._of((), "")]
        found += [self._of(heading.path, "") for heading in self._outline.headings]
        found += [self._of(self._outline.path_at(table.start), table.header) for table in self._outline.tables]
        longest = max((estimate_model_tokens(context) for context in found if context), default=0)
        budget = -(-longest // _CONTEXT_STEP) * _CONTEXT_STEP
        if budget < self._limit and all(self._measure.fits(context, budget) for context in set(found) if context):
            return budget
        return self._limit

    def _of(self, path: tuple[str, ...], header: str) -> str:
        key = (path, header)
        if key not in self._cache:
            self._cache[key] = self._build(path, header)
        return self._cache[key]

    def _build(self, path: tuple[str, ...], header: str) -> str:
        """As much as fits, what says least left out first: the header row, headings from the middle, the end."""
        names = [self._title, *path] if self._title else list(path)
        if len(names) > 1 and names[0].casefold() == names[1].casefold():
            del names[1]
        if header:
            full = "\n".join(filter(None, (CONTEXT_SEPARATOR.join(names), header)))
            if self._fits(full):
                return full
        while len(names) > 2 and not self._fits(CONTEXT_SEPARATOR.join(names)):
            del names[len(names) // 2]
        context = CONTEXT_SEPARATOR.join(names)
        while context and not self._fits(context):
            context = context[: len(context) * 3 // 4].rstrip()
        return context

    def _fits(self, context: str) -> bool:
        return self._measure.fits(context, self._limit)


def _split(
    text: str,
    start: int,
    end: int,
    page: int | None,
    *,
    measure: Measure,
    contexts: _Contexts,
    settings: ChunkSettings,
) -> list[_Piece]:
    """The pieces of one page."""
    content_max = settings.model_tokens_max - contexts.model_tokens - _JOINT_MODEL_TOKENS
    # A heading that would stand alone joins what follows; for this a little room is left.
    capacity = content_max - settings.model_tokens_max // 16
    overlap = min(settings.overlap_model_tokens, capacity // 2)
    splitter = measure.splitter(MarkdownSplitter, capacity, overlap)
    pieces: list[_Piece] = []
    for segment_start, segment_end in segments(text, start, end):
        new_from = segment_start
        for offset, content in splitter.chunk_indices(text[segment_start:segment_end]):
            piece_start = segment_start + offset
            piece_end = piece_start + len(content)
            pieces.append(_Piece(piece_start, piece_end, max(piece_start, new_from), page))
            new_from = piece_end
    return list(_join_headings(pieces, text, contexts, measure, content_max))


def _join_headings(
    pieces: Sequence[_Piece], text: str, contexts: _Contexts, measure: Measure, content_max: int
) -> Iterator[_Piece]:
    """A piece that is only headings says nothing, and is found for everything: it begins the next one instead."""
    waiting: _Piece | None = None
    for piece in pieces:
        if waiting is not None:
            joined = _Piece(waiting.start, piece.end, waiting.new_from, piece.page)
            if measure.fits(text[joined.start : joined.end], content_max):
                piece = joined
            else:
                yield waiting
            waiting = None
        if contexts.is_heading_only(piece.start, piece.end, text):
            waiting = piece
        else:
            yield piece
    if waiting is not None:
        yield waiting


def _chunk(index: int, piece: _Piece, text: str, outline: Outline, contexts: _Contexts) -> Chunk:
    content = text[piece.start : piece.end]
    body = outline.skip_headings(piece.new_from, piece.end, text)
    position = body if body < piece.end else piece.start
    context = contexts.at(position)
    return Chunk(
        index=index,
        content=content,
        context=context,
        embedded_text=f"{context}\n\n{content}" if context else content,
        page=piece.page,
        char_start=piece.start,
        char_end=piece.end,
        heading_path=CONTEXT_SEPARATOR.join(outline.path_at(position)),
    )
