// What stands in front of Lite: only /auth/v1 passes, with CORS for the site. Lite's data API stays unreachable.
const AUTH_PREFIX = "/auth/v1/";
const ALLOWED_HEADERS = "authorization, apikey, content-type, x-client-info, x-supabase-api-version";
const ALLOWED_METHODS = "GET, POST, PUT, DELETE, OPTIONS";

const json = (status, body) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

export function createGateway({ app, connection, corsOrigins }) {
  async function health() {
    try {
      await connection.driver`select 1`;
      return json(200, { status: "ok" });
    } catch {
      return json(503, { status: "database_unavailable" });
    }
  }

  async function route(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/health" || pathname === "/auth/v1/health") return health();
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    if (!pathname.startsWith(AUTH_PREFIX)) return json(404, { code: "not_found", message: "only /auth/v1 is served" });
    try {
      return await app.fetch(request);
    } catch (error) {
      console.error(error);
      return json(500, { code: "unexpected_failure", message: "the authentication service failed" });
    }
  }

  return async function fetch(request) {
    const response = await route(request);
    const headers = new Headers(response.headers);
    for (const name of [...headers.keys()]) {
      if (name.startsWith("access-control-")) headers.delete(name);
    }
    headers.append("vary", "origin");
    const origin = request.headers.get("origin");
    if (origin !== null && corsOrigins.includes(origin)) {
      headers.set("access-control-allow-origin", origin);
      headers.set("access-control-allow-headers", ALLOWED_HEADERS);
      headers.set("access-control-allow-methods", ALLOWED_METHODS);
      headers.set("access-control-expose-headers", "x-supabase-api-version");
      headers.set("access-control-max-age", "600");
    }
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  };
}
