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


@pytest.mark.parametrize("content_type", ["", "Content-Type: text/plain\n", plain("utf-8")])
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
