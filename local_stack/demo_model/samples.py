"""Fixed texts of the demo model."""

from collections.abc import Sequence

from local_stack.demo_model.quoting import Passage, Quote

_RESULT_CHARACTERS_MAX = 2000

NOTICE = (
    "\n\n---\n*Offline demo model: it quotes your documents and does not reason. For a real model set `LLM_BASE_URL`, "
    "`LLM_API_KEY` and `LLM_CHOICE` in `.env` and start again.*"
)

GREETING = """Hello! I am the **offline demo model** of this product.

You can ask me:

- a question about your documents, and I will quote what they say
- *which documents are there?*
- *show me some code*, to see a code block
"""

THANKS = "You are welcome! Ask whenever you want to know something from your documents."

FAREWELL = "Goodbye! This conversation stays in the list, so you can pick it up again."

CODE = """Here is a small example, prepared in advance because I cannot write code for you:

```python
def greet(name: str) -> str:
    \"\"\"Return a friendly greeting.\"\"\"
    return f"Hello, {name}!"


print(greet("world"))
```

Use the button at the corner of the block to copy it.
"""

SMALL_TALK = {"greeting": GREETING, "thanks": THANKS, "farewell": FAREWELL, "code": CODE}

MARKDOWN = """# Heading one

## Heading two

A paragraph with **bold**, *italic*, ~~struck~~ and `inline code`.

- first point
- second point
  - nested point

1. one
2. two

> A quotation.

| Pack | Price | Tokens |
|------|------:|-------:|
| small | $5 | 100 |
| large | $20 | 600 |

```typescript
const answer: number = 42;
console.log(answer);
```

A [good link](https://example.com/page?a=1&b=2), a [bad link](javascript:alert(1)) and a
[data link](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==).

![An image](https://example.com/image.png)

<script>window.__demo_script_ran = true</script>
<img src="x" onerror="window.__demo_image_ran = true">
<a href="javascript:window.__demo_link_ran = true">raw link</a>
<iframe src="https://example.com"></iframe>

The end.
"""

NOTHING_FOUND = "I looked through the documents and found nothing about this."


def no_tools(question: str) -> str:
    """What is said to a question when there is nothing to look it up with."""
    asked = " ".join(question.split())
    shown = asked if len(asked) <= 200 else asked[:200] + "…"
    # A code span shows the person's words as they are; a backtick would end it.
    said = f"You wrote: `{shown.replace('`', chr(39))}`\n\n" if shown else ""
    return said + "I have no documents to look this up in, and as the offline demo model I know nothing myself."


def document_list(passages: list[Passage]) -> str:
    """The titles that a tool returned; a plain text is read as one title a line."""
    lines = [line for passage in passages for line in ([passage.title] if passage.title else passage.text.splitlines())]
    titles = list(dict.fromkeys(filter(None, (line.strip(" \t-*+>#") for line in lines))))
    if not titles:
        return "There are no documents yet."
    opening = "There is one document:" if len(titles) == 1 else f"There are {len(titles)} documents:"
    return "\n".join([opening, "", *(f"- **{title}**" for title in titles)])


def opening_answer(quotes: list[Quote]) -> str:
    """How the newest document begins, for I cannot sum it up."""
    if not quotes:
        return "There is no document yet that can be read."
    lines = [f"I cannot summarise. The newest document is {quotes[0].source}, and it begins like this:"]
    return "\n\n".join([*lines, *(f"> {quote.sentence}" for quote in quotes)])


def tool_answer(quoted: str, results: Sequence[str]) -> str:
    """What a forced tool call gave: quotes where there are any, else the bare results."""
    if not results:
        return "No tool was offered that I could call."
    if quoted != NOTHING_FOUND:
        return quoted
    shown = "\n".join(results)[:_RESULT_CHARACTERS_MAX]
    return f"The tool returned:\n\n````text\n{shown}\n````"


def quoted_answer(quotes: list[Quote]) -> str:
    """The quotes under the titles they come from."""
    related = quotes[0].related
    lines = ["This is what the documents say:" if related else "No sentence matches closely. The nearest passage says:"]
    lines += [f"> {quote.sentence}\n>\n> — {quote.source}" for quote in quotes]
    return "\n\n".join(lines)
