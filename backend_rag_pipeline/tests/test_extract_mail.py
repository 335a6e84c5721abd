"""Mail in the encodings that its parts name."""

import pytest

from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.limits import ExtractionLimits

GREETING = "Sehr geehrte Frau Müller, die Prüfung läuft."


def text_of(content: bytes) -> str:
    found = extract_file(content, file_name="mail.eml", mime_type=None, limits=ExtractionLimits())
    assert found.title == "Delivery"
    return found.pages[0].text


def mail(content_type: str, body: str) -> str:
    return f"From: a@example.com\nSubject: Delivery\n{content_type}Content-Transfer-Encoding: 8bit\n\n{body}\n"


def plain(charset: str) -> str:
    return f"MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\n"


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("iso-8859-1", GREETING),
        ('"windows-1252"', GREETING),
        ("koi8-r", "Привет, как дела?"),
        ("Shift_JIS", "日本語の文書です"),
        ("utf-8", GREETING),
    ],
)
def test_a_mail_is_read_in_the_encoding_that_it_names(charset: str, body: str) -> None:
    content = mail(plain(charset), body).encode(charset.strip('"'))
    assert text_of(content).endswith(body)


@pytest.mark.parametrize(
    "content_type",
    ["", "Content-Type: text/plain\n", *map(plain, ("utf-8", "utf8", "unknown-8bit", "ansi"))],
)
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_a_mail_that_names_none_or_a_wrong_one_is_read_as_its_bytes_suggest(content_type: str, encoding: str) -> None:
    assert text_of(mail(content_type, GREETING).encode(encoding)).endswith(GREETING)


def test_each_part_of_a_mail_is_read_in_its_own_encoding() -> None:
    parts = [
        f"--b\n{plain(charset)}Content-Transfer-Encoding: 8bit\n\n{GREETING}\n".encode(charset)
        for charset in ("utf-8", "iso-8859-1")
    ]
    head = mail('MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n', "").encode()
    assert text_of(head + b"".join(parts) + b"--b--\n").count(GREETING) == 2


PARTS = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n'
PAGE = f'<html><head><meta charset="windows-1252"></head><body><p>{GREETING}</p></body></html>'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("Content-Type: text/html\n", PAGE),
        ("Content-Type: text/plain\n", f"The page says charset=x. {GREETING}"),
        (PARTS, f"--b\n{plain('us-ascii')}\nHello\n--b\nContent-Type: text/plain\n\n{GREETING}\n--b--"),
        (PARTS, f"--b\n{plain('us-ascii')}\nHello\n--b\nContent-Type: text/html\n\n{PAGE}\n--b--"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_charset_elsewhere_in_a_mail_is_not_that_of_its_text(content_type: str, body: str, line_end: str) -> None:
    content = mail(content_type, body).replace("\n", line_end).encode("cp1252")
    assert text_of(content).rstrip().endswith(GREETING)


@pytest.mark.parametrize("head", ["utf-8", "cp1252"])
@pytest.mark.parametrize(("charset", "body"), [("iso-8859-1", "cp1252"), ("utf-8", "utf-8"), ("ansi", "cp1252")])
def test_a_subject_that_names_no_encoding_decides_nothing_about_the_text(head: str, charset: str, body: str) -> None:
    start, text = mail(plain(charset), GREETING).replace("Delivery", "Prüfung bei Müller").split("\n\n")
    content = start.encode(head) + b"\n\n" + text.encode(body)
    found = extract_file(content, file_name="mail.eml", mime_type=None, limits=ExtractionLimits())
    assert found.title == "Prüfung bei Müller"
    assert found.pages[0].text.endswith(GREETING)
    assert "\ufffd" not in found.pages[0].text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_mail_that_an_editor_saved_in_utf_16_keeps_its_text(encoding: str) -> None:
    assert text_of(mail("", GREETING).encode(encoding)).endswith(GREETING)


def test_a_damaged_byte_does_not_have_the_whole_mail_read_in_another_encoding() -> None:
    whole = f"--b\n{plain('iso-8859-1')}Content-Transfer-Encoding: 8bit\n\n{GREETING}\n".encode("iso-8859-1")
    damaged = f"--b\n{plain('utf-8')}Content-Transfer-Encoding: 8bit\n\n{GREETING} ".encode() + b"\xff\n--b--\n"
    text = text_of(mail(PARTS, "").encode() + whole + damaged)
    assert (text.count(GREETING), text.count("\ufffd")) == (2, 1)


@pytest.mark.parametrize(("charset", "body"), [("utf-8", GREETING), ("gb2312", "这是一封给你的信")])
def test_a_damaged_byte_costs_what_it_was(charset: str, body: str) -> None:
    text = text_of(mail(plain(charset), f"{body} @ end").encode(charset).replace(b"@", b"\xff"))
    assert body in text
    assert text.endswith(" end")
