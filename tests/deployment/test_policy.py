"""The built site in a real browser behind the real Caddy: its strict policy refuses nothing of its own."""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import jwt
from agent_api_support.auth_server import SECRET

from local_stack.test_run import chromium_program
from tests.deployment.conftest import FRONTEND
from tests.deployment.proxy import SITE_HOST, Proxy

WALK_SECONDS_MAX = 120
QUESTION = "Show me what you can write"
MARKDOWN = """# Heading

| a | b |
|---|---|
| 1 | `code` |

```python
print("highlighted")
```

[a link](https://example.com) <script>window.ran = 1</script>
<img src="https://elsewhere.example.com/x.png" onerror="x()">
<style>body { display: none }</style> ![picture](https://elsewhere.example.com/y.png)
"""


async def test_the_site_runs_under_its_policy_without_one_violation(proxy: Proxy) -> None:
    proxy.fleet.model.say(QUESTION, [MARKDOWN])
    async with proxy.client() as client:
        user = await proxy.fleet.books.person(client)
    email = "person@example.com"
    access = user.headers["Authorization"].removeprefix("Bearer ")
    session = {
        "access_token": access,
        "refresh_token": "unused",
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": int(time.time()) + 3600,
        "user": {"id": str(user.user_id), "email": email, "aud": "authenticated"},
    }
    assert jwt.decode(access, SECRET, algorithms=["HS256"], audience="authenticated")["sub"] == str(user.user_id)
    seen = await _walk({"site": f"https://{SITE_HOST}:{proxy.https_port}", "session": session, "question": QUESTION})
    assert seen["walked"] == []
    assert seen["faults"] == []
    assert "Heading" in seen["text"]
    assert "highlighted" in seen["text"]
    assert seen["dangerous"] == 0
    # The policy is alive: an inline script and another host were refused.
    assert not seen["ran"]
    assert {entry.split(":")[0] for entry in seen["provoked"]} == {"script-src-elem", "connect-src"}


async def _walk(given: dict[str, object]) -> dict[str, list[str]]:
    node = shutil.which("node")
    assert node is not None, "Node is missing"
    script = Path(__file__).with_name("browse_site.mjs")
    process = await asyncio.create_subprocess_exec(
        *(node, str(script), str(FRONTEND), chromium_program() or "", json.dumps(given)),
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WALK_SECONDS_MAX):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)
