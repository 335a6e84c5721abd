"""Who is calling: the jwt of Supabase's authentication, verified.

Three ways, chosen by the algorithm in the jwt's header and never by anything else it says:

- ES256, RS256, EdDSA: with the key set at `{SUPABASE_URL}/auth/v1/.well-known/jwks.json` (`keys`).
- HS256 with SUPABASE_JWT_SECRET set: with that secret.
- HS256 without it: by asking `{SUPABASE_URL}/auth/v1/user` (`lookup`).

Any other algorithm, `none` first of all, is refused. A public key is never used for HS256: keys of the set are only
tried for asymmetric algorithms.
"""

from agent_api.auth.dependencies import CurrentUser
from agent_api.auth.middleware import Authentication
from agent_api.auth.verifier import AuthenticatedUser, JwtVerifier, open_verifier

__all__ = ["AuthenticatedUser", "Authentication", "CurrentUser", "JwtVerifier", "open_verifier"]
