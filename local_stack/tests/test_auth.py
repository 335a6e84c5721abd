"""Authentication over real HTTP, driven by the library the site uses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
from supabase_auth import SyncGoTrueClient

from local_stack.console import Console
from local_stack.node import Node, ensure_node, ensure_packages
from local_stack.postgres import Cluster
from local_stack.processes import free_ports
from local_stack.service import Service, start_process
from local_stack.stack import AUTH_DIRECTORY

JWT_SECRET = "a secret of more than thirty-two bytes"
SITE = "http://127.0.0.1:8082"
FLOW = Path(__file__).parent / "auth_flow.mjs"
# Passwords are hashed in JavaScript there, and the machine may have other things to do.
ANSWER_SECONDS_MAX = 60


@dataclass(frozen=True)
class AuthService:
    """A running service and the database behind it."""

    url: str
    publishable_key: str
    cluster: Cluster
    database: str
    node: Node

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=ANSWER_SECONDS_MAX)

    def post(self, path: str, body: dict[str, object]) -> httpx.Response:
        headers = {"apikey": self.publishable_key}
        return httpx.post(self.url + path, json=body, headers=headers, timeout=ANSWER_SECONDS_MAX)


@pytest.fixture(scope="module")
def auth(
    postgres_cluster: Cluster, empty_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthService]:
    log = tmp_path_factory.mktemp("auth") / "auth.log"
    node = ensure_node(Console(), log)
    ensure_packages(node, AUTH_DIRECTORY, "npm packages of authentication", Console(), log)
    database = f"auth_{uuid4().hex[:8]}"
    postgres_cluster.create_database(database, template=empty_template)
    [port] = free_ports(1)
    key = "sb_publishable_test"
    environment = node.environment(
        {
            "AUTH_PORT": str(port),
            "AUTH_DATABASE_URL": postgres_cluster.dsn("supabase_auth_admin", database),
            "AUTH_JWT_SECRET": JWT_SECRET,
            "AUTH_PUBLISHABLE_KEY": key,
            "AUTH_SECRET_KEY": "sb_secret_test",
            "AUTH_SITE_URL": SITE,
            "AUTH_CORS_ORIGINS": SITE,
        }
    )
    url = f"http://127.0.0.1:{port}"
    service = Service(
        name="auth",
        title="authentication",
        log=log,
        start=lambda: start_process([node.program, "server.mjs"], cwd=AUTH_DIRECTORY, environment=environment, log=log),
        health_url=f"{url}/health",
    )
    process = service.start()
    try:
        service.wait_until_healthy(process)
        yield AuthService(url, key, postgres_cluster, database, node)
    finally:
        process.terminate()
        process.wait(timeout=ANSWER_SECONDS_MAX)
        postgres_cluster.drop_database(database)


def test_a_person_signs_up_in_out_and_stays_signed_in_with_supabase_js(auth: AuthService) -> None:
    email = f"{uuid4()}@example.com"
    flow = subprocess.run(
        [auth.node.program, str(FLOW), auth.url, auth.publishable_key, email],
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS_MAX * 3,
        check=False,
    )
    assert flow.returncode == 0, flow.stderr
    seen = json.loads(flow.stdout)
    assert seen["errors"] == [None] * 5
    assert seen["sessionAtSignUp"], "no mail has to be confirmed"
    assert seen["repeated"] == "user_already_exists"
    assert seen["wrong"] == "invalid_credentials"
    assert seen["metadata"]["full_name"] == 'Sample "S" Person'
    assert seen["rotated"]
    assert seen["refusedAfterSignOut"]
    # supabase-py parses strictly: an ISO 8601 time with its `T` and zone.
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", seen["createdAt"])
    claims = jwt.decode(seen["jwt"], JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    assert claims["email"] == email
    assert claims["role"] == "authenticated"


def test_the_python_library_reads_every_answer(auth: AuthService) -> None:
    """supabase-py's own client checks each field's type; a time that is not ISO 8601 is an error to it."""
    with httpx.Client(timeout=ANSWER_SECONDS_MAX) as http:
        client = SyncGoTrueClient(
            url=f"{auth.url}/auth/v1",
            headers={"apikey": auth.publishable_key},
            http_client=http,
            auto_refresh_token=False,
        )
        _use_python_library(client)


def _use_python_library(client: SyncGoTrueClient) -> None:
    email, password = f"{uuid4()}@example.com", "correct horse"
    signed_up = client.sign_up({"email": email, "password": password, "options": {"data": {"full_name": "Sample"}}})
    signed_in = client.sign_in_with_password({"email": email, "password": password})
    refreshed = client.refresh_session()
    assert signed_up.session is not None
    assert signed_in.user is not None
    assert signed_in.user.user_metadata["full_name"] == "Sample"
    assert refreshed.user is not None
    assert refreshed.user.email == email
    client.sign_out()


def test_profile_triggers_find_metadata_as_an_object(auth: AuthService) -> None:
    auth.cluster.run_sql(
        """
        create table public.names (name text);
        create function public.note_name() returns trigger language plpgsql security definer as $$
        begin
            insert into public.names values (new.raw_user_meta_data ->> 'full_name');
            return new;
        end $$;
        create trigger note_name after insert on auth.users for each row execute function public.note_name();
        """,
        role="postgres",
        database=auth.database,
    )
    body: dict[str, object] = {
        "email": f"{uuid4()}@example.com",
        "password": "correct horse",
        "data": {"full_name": "Sample"},
    }
    assert auth.post("/auth/v1/signup", body).status_code == 200
    assert auth.cluster.run_sql("select name from public.names;", database=auth.database) == "Sample"


@pytest.mark.parametrize("path", ["/rest/v1/users", "/rest/v1/rpc/anything", "/storage/v1/bucket", "/_system", "/"])
def test_nothing_but_authentication_is_served(auth: AuthService, path: str) -> None:
    for key in (auth.publishable_key, "sb_secret_test"):
        assert auth.get(path, apikey=key, authorization=f"Bearer {key}").status_code == 404


def test_requests_change_no_grants(auth: AuthService) -> None:
    """Supabase Lite's own connection grants everything to the browser's roles with the first request."""
    owner = {"role": "postgres", "database": auth.database}
    auth.cluster.run_sql(
        "create table public.closed (id int); alter table public.closed enable row level security; "
        "revoke all on public.closed from anon, authenticated;",
        **owner,
    )
    auth.get("/auth/v1/user", apikey=auth.publishable_key, authorization=f"Bearer {_valid_jwt()}")
    auth.post("/auth/v1/signup", {"email": f"{uuid4()}@example.com", "password": "correct horse"})
    granted = auth.cluster.run_sql(
        "select has_table_privilege('anon', 'public.closed', 'select'), "
        "has_table_privilege('authenticated', 'public.closed', 'select');",
        **owner,
    )
    assert granted == "f|f"


def test_only_the_site_may_read_answers_in_a_browser(auth: AuthService) -> None:
    def preflight(origin: str) -> httpx.Response:
        headers = {"origin": origin, "access-control-request-method": "POST"}
        return httpx.options(f"{auth.url}/auth/v1/token", headers=headers, timeout=ANSWER_SECONDS_MAX)

    allowed = preflight(SITE)
    assert allowed.headers["access-control-allow-origin"] == SITE
    assert "apikey" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in preflight("https://elsewhere.example").headers


def test_a_jwt_signed_with_another_secret_is_refused(auth: AuthService) -> None:
    forged = _valid_jwt(secret="another secret of more than thirty-two bytes")
    answer = auth.get("/auth/v1/user", apikey=auth.publishable_key, authorization=f"Bearer {forged}")
    assert answer.status_code in (401, 403)


def test_the_checked_in_schema_is_the_one_of_the_pinned_version(auth: AuthService) -> None:
    """auth_schema.sql lets SQL tests run without Node; it must not fall behind the package."""
    program = "import('@supabase/lite').then((lite) => console.log(lite.getAuthSchemaSql()))"
    printed = subprocess.run(
        [auth.node.program, "-e", program], cwd=AUTH_DIRECTORY, capture_output=True, text=True, check=True
    ).stdout
    checked_in = (AUTH_DIRECTORY.parent / "postgres" / "auth_schema.sql").read_text()
    assert checked_in.splitlines()[1:] == [line.rstrip() for line in printed.strip().splitlines()]


def _valid_jwt(*, secret: str = JWT_SECRET) -> str:
    claims = {"sub": str(uuid4()), "aud": "authenticated", "role": "authenticated", "exp": 4_000_000_000}
    return jwt.encode(claims, secret, algorithm="HS256")
