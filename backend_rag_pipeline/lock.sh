#!/bin/sh
# Writes the two locks anew after a change of pyproject.toml. The test environment of the repository holds this service,
# the agent API and the local stack together, so their versions of a shared package must not differ: hence -c.
set -eu
cd "$(dirname "$0")"
uv=${UV:-uv}
others="-c ../backend_agent_api/requirements-dev.txt -c ../local_stack/requirements.txt"
lock="$uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links"
# shellcheck disable=SC2086 # lists of words
$lock $others pyproject.toml -o requirements.txt
# shellcheck disable=SC2086 # lists of words
$lock $others -c requirements.txt --group dev pyproject.toml -o requirements-dev.txt
