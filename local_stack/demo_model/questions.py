"""Telling what kind of message a person wrote. When in doubt it is a question about content."""

import re

_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|hallo|good (?:morning|afternoon|evening|day)|greetings|test(?:ing)?|ping"
    r"|how are you(?: doing)?|who are you|what are you|what can you (?:do(?: for me)?|help (?:me )?with)|help(?: me)?)"
    r"(?:\W+(?:there|all|everyone|again|you|today|please|hi|hello|how are you(?: doing)?|who are you))*\W*$",
    re.I,
)
_THANKS = re.compile(
    r"^\W*(?:ok(?:ay)?|great|cool|nice|perfect|thanks|thx|thank you)"
    r"(?:\W+(?:great|cool|nice|perfect|thanks|thank you|a lot|very much|so much|you|again|for [^?]{1,40}))*\W*$",
    re.I,
)
_FAREWELL = re.compile(r"^\W*(?:bye|goodbye|see you|good night)\b[^?]{0,30}$", re.I)
_CODE = re.compile(
    r"\b(?:write|show|give|make|create|need)\b.{0,30}?"
    r"\b(?:(?:some|an?|short|small|simple|example|sample|source|python|typescript|javascript|sql|bash|rust|java)\W+)+"
    r"(?:code|function|script|snippet|program|class|query|component)\b",
    re.I | re.S,
)
_DOCUMENT_LIST = re.compile(
    r"\b(?:which|what|list|show|name|how many)\b(?:\W+(?:me|all|of|the|my|your|our|available|uploaded|kinds? of))*"
    r"\W+(?:documents?|files?|sources?)"
    r"(?:\W+(?:are there|there are|do (?:you|we|i) have|(?:you|we|i) have|do you know|can you (?:see|read|search|use)"
    r"|exist|(?:are )?(?:available|uploaded|indexed|stored)|in the (?:knowledge base|library))\b.{0,40})?\W*$",
    re.I,
)
_NEWEST_DOCUMENT = re.compile(
    r"\b(?:summar(?:y|i[sz]e)|sum up|overview)\b.{0,20}"
    r"\b(?:newest|latest|most recent|last)\W+(?:document|file|upload)\b",
    re.I,
)


def kind_of(text: str) -> str:
    """`greeting`, `thanks`, `farewell`, `code`, `document list`, `newest document` or `question`."""
    if not text.strip() or _GREETING.match(text):
        return "greeting"
    if _THANKS.match(text):
        return "thanks"
    if _FAREWELL.match(text):
        return "farewell"
    if _DOCUMENT_LIST.search(text):
        return "document list"
    if _NEWEST_DOCUMENT.search(text):
        return "newest document"
    return "code" if _CODE.search(text) else "question"
