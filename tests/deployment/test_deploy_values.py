"""What `deploy.py` says of values in `.env` that cannot be right, alone or together."""

from __future__ import annotations

import pytest

from deployer.settings import SETTINGS
from deployer.settings_checks import examples
from tests.deployment.deploying import COMPLETE, Operator

# An `.env` as people have it from earlier versions, with their own values where an example stood.
OLDER_FILE = """
LLM_PROVIDER=openai  LLM_BASE_URL=https://api.openai.com/v1  LLM_API_KEY=sk-s3cret-model
LLM_CHOICE=gpt-4o-mini  VISION_LLM_CHOICE=gpt-4o-mini
EMBEDDING_PROVIDER=openai  EMBEDDING_BASE_URL=https://api.openai.com/v1  EMBEDDING_API_KEY=sk-s3cret-embedding
EMBEDDING_MODEL_CHOICE=text-embedding-3-small
DATABASE_URL=postgresql://postgres.abcdefgh:s3cret@pooler.supabase.com:5432/postgres
SUPABASE_URL=https://abcdefgh.supabase.co  SUPABASE_SERVICE_KEY=sb_secret_s3cret  SUPABASE_JWT_SECRET=s3cret-s3cret
BRAVE_API_KEY=s3cret  SEARXNG_BASE_URL=http://searxng:8080
STRIPE_SECRET_KEY=sk_test_s3cret  STRIPE_WEBHOOK_SECRET=whsec_s3cret
RAG_PIPELINE_TYPE=local  RUN_MODE=continuous  RAG_PIPELINE_ID=documents  RAG_WATCH_DIRECTORY=./rag-documents
LANGFUSE_PUBLIC_KEY=pk-lf-s3cret  LANGFUSE_SECRET_KEY=sk-lf-s3cret  LANGFUSE_HOST=https://cloud.langfuse.com
AGENT_API_HOSTNAME=127.0.0.1  FRONTEND_HOSTNAME=localhost  LETSENCRYPT_EMAIL=operator@mail.example.com
VITE_SUPABASE_URL=https://abcdefgh.supabase.co  VITE_SUPABASE_ANON_KEY=sb_publishable_value
VITE_ENABLE_STREAMING=true  VITE_STRIPE_PUBLISHABLE_KEY=pk_test_...
ENVIRONMENT=production
"""
NO_PLACEHOLDERS = {"VISION_LLM_CHOICE"}


def test_an_older_file_with_the_values_of_its_owner_is_taken(operator: Operator) -> None:
    assignments = [assignment.partition("=") for assignment in OLDER_FILE.split()]
    operator.variables = {name: value for name, _, value in assignments}
    assert operator.variables.keys() >= COMPLETE.keys() | NO_PLACEHOLDERS
    ended = operator.run("--type", "cloud")
    assert "still holds an example" not in ended.output
    assert ended.status == 0, ended.output


@pytest.mark.parametrize("name", [name for name, each in SETTINGS.items() if each.example and not each.is_kept])
def test_an_example_of_the_table_is_refused_unless_it_is_a_good_value(name: str) -> None:
    found = list(examples({name: SETTINGS[name].example}))
    assert [problem.is_fatal for problem in found] == ([] if name in NO_PLACEHOLDERS else [True])
