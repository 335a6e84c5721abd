"""Who a jwt belongs to, asked over real HTTP with a real key set on a port."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import jwt
import pytest
from agent_api_support.api import make_settings
from agent_api_support.auth_server import SECRET, AuthServer, claims_of
from agent_api_support.waiting import until
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_api.auth import JwtVerifier, open_verifier
from agent_api.auth.keys import parse_key_set
from agent_api.errors import AuthUnavailable, Unauthorized

UNUSED_DATABASE = "postgresql://nobody@db.example.com/none"
OTHER_SECRET = "another-secret-that-is-long-enough-for-hs256"


@asynccontextmanager
async def verifier_for(auth: AuthServer, **changes: Any) -> AsyncGenerator[JwtVerifier]:
    values: dict[str, Any] = {"supabase_url": auth.base_url, "supabase_jwt_secret": None, **changes}
    async with open_verifier(make_settings(UNUSED_DATABASE, **values)) as verifier:
        yield verifier


def forge(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part(header)}.{part(claims)}.{signature}"


@pytest.mark.parametrize("kind", ["ES256", "RS256"])
async def test_a_jwt_signed_by_a_published_key_names_its_user(auth_server: AuthServer, kind: str) -> None:
    auth_server.keys["second"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    user_id = uuid4()
    async with verifier_for(auth_server) as verifier:
        token = auth_server.sign(user_id, key_id="first" if kind == "ES256" else "second")
        user = await verifier.verify(token)
    assert user.id == user_id
    assert user.expires_at > time.time()
    assert auth_server.user_lookups == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_700_000_000},
        {"exp": None},
        {"aud": "anon"},
        {"aud": None},
        {"sub": "not-a-uuid"},
        {"sub": None},
        {"nbf": 9_999_999_999},
    ],
    ids=lambda changes: str(changes),
)
@pytest.mark.parametrize("way", ["keys", "secret", "lookup"])
async def test_claims_that_do_not_hold_are_refused_in_each_way(
    auth_server: AuthServer, way: str, changes: dict[str, Any]
) -> None:
    secret = SECRET if way == "secret" else None
    sign = auth_server.sign if way == "keys" else auth_server.sign_with_secret
    async with verifier_for(auth_server, supabase_jwt_secret=secret) as verifier:
        with pytest.raises(Unauthorized):
            await verifier.verify(sign(uuid4(), **changes))
    # What is read to be invalid need not be asked about.
    assert auth_server.user_lookups == 0


async def test_expiry_allows_clocks_to_differ_a_little(auth_server: AuthServer) -> None:
    async with verifier_for(auth_server, jwt_leeway_seconds=60) as verifier:
        await verifier.verify(auth_server.sign(uuid4(), exp=int(time.time()) - 5))
        with pytest.raises(Unauthorized):
            await verifier.verify(auth_server.sign(uuid4(), exp=int(time.time()) - 65))


async def test_no_signature_is_no_signature(auth_server: AuthServer) -> None:
    user_id = uuid4()
    for secret in (None, SECRET):
        async with verifier_for(auth_server, supabase_jwt_secret=secret) as verifier:
            for algorithm in ("none", "None", "NONE", "", None):
                for signature in ("", "c2lnbmF0dXJl"):
                    with pytest.raises(Unauthorized):
                        await verifier.verify(forge({"alg": algorithm, "kid": "first"}, claims_of(user_id), signature))
    assert auth_server.user_lookups == 0


@pytest.mark.parametrize("with_secret", [True, False])
async def test_a_public_key_is_no_secret(auth_server: AuthServer, with_secret: bool) -> None:
    """The classic: HS256 with the published key, in each of its encodings, as the secret."""
    public = auth_server.keys["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    entry = auth_server.key_set()["keys"][0]
    async with verifier_for(auth_server, supabase_jwt_secret=SECRET if with_secret else None) as verifier:
        for secret in (pem, der, json.dumps(entry).encode(), entry["x"].encode()):
            # Signed by hand: PyJWT itself refuses to sign with a public key.
            unsigned = forge({"alg": "HS256", "kid": "first", "typ": "JWT"}, claims_of(uuid4())).rstrip(".")
            digest = hmac.digest(secret, unsigned.encode(), "sha256")
            signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            with pytest.raises(Unauthorized):
                await verifier.verify(f"{unsigned}.{signature}")


async def test_a_symmetric_key_in_the_published_set_is_ignored(auth_server: AuthServer) -> None:
    shared = b"everybody-can-read-this-key-in-the-published-set"
    auth_server.extra_keys = [
        {"kty": "oct", "kid": "oct", "alg": alg, "k": base64.urlsafe_b64encode(shared).decode().rstrip("=")}
        for alg in ("HS256", "ES256")
    ]
    assert set(parse_key_set(json.dumps(auth_server.key_set()).encode())) == {"first"}
    token = jwt.encode(claims_of(uuid4()), shared, algorithm="HS256", headers={"kid": "oct"})
    async with verifier_for(auth_server, supabase_jwt_secret=SECRET) as verifier:
        with pytest.raises(Unauthorized):
            await verifier.verify(token)
        # The rest of that set still serves.
        await verifier.verify(auth_server.sign(uuid4()))


async def test_another_key_under_a_published_name_is_refused(auth_server: AuthServer) -> None:
    async with verifier_for(auth_server) as verifier:
        for key in (
            ec.generate_private_key(ec.SECP256R1()),
            rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ):
            with pytest.raises(Unauthorized):
                await verifier.verify(auth_server.sign(uuid4(), key=key))


async def test_a_flood_of_unknown_key_ids_fetches_the_set_once_per_interval(auth_server: AuthServer) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    async with verifier_for(auth_server, jwks_refetch_interval_seconds=60) as verifier:
        await verifier.verify(auth_server.sign(uuid4()))
        at_start = auth_server.key_set_fetches
        flood = [auth_server.sign(uuid4(), key_id=f"unknown-{number}", key=stranger) for number in range(500)]
        results = await asyncio.gather(*(verifier.verify(token) for token in flood), return_exceptions=True)
        assert all(isinstance(result, Unauthorized) for result in results)
        assert auth_server.key_set_fetches == at_start == 1
        # People with known keys never notice.
        await verifier.verify(auth_server.sign(uuid4()))


async def test_a_new_key_is_fetched_once_for_all_who_wait_for_it(auth_server: AuthServer) -> None:
    async with verifier_for(auth_server, jwks_refetch_interval_seconds=0.000_001) as verifier:
        await verifier.verify(auth_server.sign(uuid4()))
        at_start = auth_server.key_set_fetches
        auth_server.keys["rotated"] = ec.generate_private_key(ec.SECP256R1())
        auth_server.gate.clear()
        waiting = [asyncio.create_task(verifier.verify(auth_server.sign(uuid4(), key_id="rotated"))) for _ in range(50)]
        await until(lambda: auth_server.key_set_fetches > at_start)
        waiting[0].cancel()  # The one that began the fetch leaves; the others still get their answer.
        auth_server.gate.set()
        results = await asyncio.gather(*waiting[1:])
        assert len(results) == 49
        assert auth_server.key_set_fetches == at_start + 1


async def test_the_set_is_refreshed_in_the_background(auth_server: AuthServer) -> None:
    async with verifier_for(auth_server, jwks_refresh_seconds=0.05, jwks_refetch_interval_seconds=3600) as verifier:
        await verifier.verify(auth_server.sign(uuid4()))
        auth_server.keys["rotated"] = ec.generate_private_key(ec.SECP256R1())
        seen = auth_server.key_set_fetches
        await until(lambda: auth_server.key_set_fetches >= seen + 2)
        await verifier.verify(auth_server.sign(uuid4(), key_id="rotated"))


async def test_known_keys_outlive_an_outage_and_unknown_ones_are_not_called_invalid(auth_server: AuthServer) -> None:
    async with verifier_for(auth_server, jwks_refetch_interval_seconds=0.000_001) as verifier:
        await verifier.verify(auth_server.sign(uuid4()))
        auth_server.status = 500
        auth_server.keys["rotated"] = ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(AuthUnavailable):
            await verifier.verify(auth_server.sign(uuid4(), key_id="rotated"))
        await verifier.verify(auth_server.sign(uuid4()))


@pytest.mark.parametrize("answer", ["key set", "user"])
async def test_an_absent_auth_service_is_unavailable_not_unauthorized(auth_server: AuthServer, answer: str) -> None:
    auth_server.status = 503
    token = auth_server.sign(uuid4()) if answer == "key set" else auth_server.sign_with_secret(uuid4())
    async with verifier_for(auth_server) as verifier:
        with pytest.raises(AuthUnavailable):
            await verifier.verify(token)


async def test_with_the_secret_nobody_is_asked(auth_server: AuthServer) -> None:
    user_id = uuid4()
    async with verifier_for(auth_server, supabase_jwt_secret=SECRET) as verifier:
        assert (await verifier.verify(auth_server.sign_with_secret(user_id))).id == user_id
        with pytest.raises(Unauthorized):
            await verifier.verify(auth_server.sign_with_secret(user_id, secret=OTHER_SECRET))
    assert auth_server.user_lookups == 0


async def test_without_the_secret_the_auth_service_is_asked_once_a_while(auth_server: AuthServer) -> None:
    user_id = uuid4()
    token = auth_server.sign_with_secret(user_id)
    async with verifier_for(auth_server) as verifier:
        users = await asyncio.gather(*(verifier.verify(token) for _ in range(20)))
        assert {user.id for user in users} == {user_id}
        assert auth_server.user_lookups == 1
        await verifier.verify(token)
        assert auth_server.user_lookups == 1
        await verifier.verify(auth_server.sign_with_secret(uuid4()))
        assert auth_server.user_lookups == 2


async def test_a_refused_jwt_is_remembered_too(auth_server: AuthServer) -> None:
    token = auth_server.sign_with_secret(uuid4(), secret=OTHER_SECRET)
    async with verifier_for(auth_server) as verifier:
        for _ in range(5):
            with pytest.raises(Unauthorized):
                await verifier.verify(token)
    assert auth_server.user_lookups == 1


async def test_an_answer_is_kept_for_its_time_and_not_longer(auth_server: AuthServer) -> None:
    token = auth_server.sign_with_secret(uuid4())
    async with verifier_for(auth_server, auth_cache_seconds=0.2) as verifier:
        await verifier.verify(token)
        auth_server.revoked.add(token)
        async with asyncio.timeout(60):
            while True:
                try:
                    await verifier.verify(token)
                except Unauthorized:
                    break
                await asyncio.sleep(0.02)
    assert auth_server.user_lookups == 2


async def test_an_answer_is_never_kept_beyond_the_jwts_expiry(auth_server: AuthServer) -> None:
    token = auth_server.sign_with_secret(uuid4(), exp=int(time.time()) + 1)
    # Leeway still reads it as valid, on both sides: only the cache's own end makes it ask again.
    auth_server.leeway_seconds = 60
    async with verifier_for(auth_server, jwt_leeway_seconds=60, auth_cache_seconds=60) as verifier:
        await verifier.verify(token)
        auth_server.revoked.add(token)
        async with asyncio.timeout(60):
            while auth_server.user_lookups == 1:
                await asyncio.sleep(0.05)
                try:
                    await verifier.verify(token)
                except Unauthorized:
                    break
    assert auth_server.user_lookups == 2


async def test_the_cache_is_bounded(auth_server: AuthServer) -> None:
    tokens = [auth_server.sign_with_secret(uuid4()) for _ in range(4)]
    async with verifier_for(auth_server, auth_cache_max_entries=3) as verifier:
        for token in tokens:
            await verifier.verify(token)
        await verifier.verify(tokens[3])
        assert auth_server.user_lookups == 4
        await verifier.verify(tokens[0])  # The oldest had to go.
        assert auth_server.user_lookups == 5


async def test_only_so_many_jwts_wait_to_be_asked_about(auth_server: AuthServer) -> None:
    tokens = [auth_server.sign_with_secret(uuid4()) for _ in range(4)]
    async with verifier_for(auth_server, auth_concurrent_lookups_max=1, auth_waiting_lookups_max=2) as verifier:
        auth_server.gate.clear()
        asking = [asyncio.create_task(verifier.verify(token)) for token in tokens[:3]]
        await until(lambda: auth_server.user_lookups == 1)
        async with asyncio.timeout(20):
            with pytest.raises(AuthUnavailable):
                await verifier.verify(tokens[3])
        # Who waits already may come twice.
        again = asyncio.create_task(verifier.verify(tokens[2]))
        auth_server.gate.set()
        await asyncio.gather(*asking, again)
        await verifier.verify(tokens[3])
    assert auth_server.user_lookups == 4


async def test_a_failed_lookup_is_not_remembered(auth_server: AuthServer) -> None:
    token = auth_server.sign_with_secret(uuid4())
    async with verifier_for(auth_server) as verifier:
        auth_server.status = 502
        with pytest.raises(AuthUnavailable):
            await verifier.verify(token)
        auth_server.status = 200
        await verifier.verify(token)


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64"]),
    st.one_of(
        st.sampled_from(["HS256", "ES256", "RS256", "none", "first"]), st.none(), st.integers(), st.lists(st.text())
    ),
)
CLAIMS = st.dictionaries(
    st.sampled_from(["sub", "aud", "exp", "nbf", "iat"]),
    st.one_of(
        st.text(max_size=40),
        st.floats(),
        st.integers(),
        st.none(),
        st.booleans(),
        st.just("authenticated"),
        st.lists(st.integers(), max_size=3),
        st.just(str(uuid4())),
    ),
)


async def test_whatever_arrives_as_a_jwt_is_refused_and_never_breaks(auth_server: AuthServer) -> None:
    tokens: list[str] = ["", ".", "..", "a.b.c", "\ud800", "é.é.é", "x" * 20_000, "eyJhbGciOiJIUzI1NiJ9..", "💥.💥.💥"]

    @given(header=HEADERS, claims=CLAIMS, noise=st.text(max_size=60))
    @settings(max_examples=150, deadline=None, database=None)
    def collect(header: dict[str, Any], claims: dict[str, Any], noise: str) -> None:
        tokens.extend((forge(header, claims, "AAAA"), noise))

    collect()
    async with verifier_for(auth_server) as verifier:
        for token in tokens:
            with pytest.raises(Unauthorized):
                await verifier.verify(token)
