"""How many model tokens a text has at most, by its scripts, where no tokenizer of the model is at hand.

Fitted to two very different real tokenizers, MiniLM's WordPiece and OpenAI's cl100k, on program translations in 33
languages: for each, the estimate lies above both counts. It exceeds the real count by a quarter in most, by up to
nine tenths in English, so chunks come out shorter, never too long.
"""

import re

_PIECES = re.compile(
    r"(?P<ascii_word>[A-Za-z]+)"
    r"|(?P<digits>[0-9]+)"
    r"|(?P<space>\s+)"
    r"|(?P<ascii_sign>[!-~])"
    r"|(?P<latin>[\u00c0-\u024f\u1e00-\u1eff]+)"
    r"|(?P<letter>[\u0370-\u04ff\u0590-\u06ff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uff00-\uffef]+)"
    r"|(?P<syllable>[\uac00-\ud7af]+)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_LETTER, _SYLLABLE, _OTHER = 1.15, 2.2, 2.2
_BEYOND_BMP = 4.0
_LATIN = 1.5


def estimate_model_tokens(text: str) -> int:
    """An upper bound for usual text. Costs about a microsecond per word."""
    total = 0.0
    for piece in _PIECES.finditer(text):
        length = piece.end() - piece.start()
        match piece.lastgroup:
            case "ascii_word":
                total += 1 if length <= 3 else 0.3 + length * 0.36
            case "digits":
                total += (length + 1) // 2
            case "space":
                total += 0 if length == 1 and piece.group() == " " else min(1 + length / 8, length)
            case "ascii_sign":
                total += 1
            case "latin":
                total += length * _LATIN
            case "letter":
                total += length * _LETTER
            case "syllable":
                total += length * _SYLLABLE
            case _:
                total += _BEYOND_BMP if piece.group() > "\uffff" else _OTHER
    return int(total) + 1
