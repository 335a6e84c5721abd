// The connection of Supabase Lite, cured of what it does differently from Supabase.
import { PostgresConnection } from "@supabase/lite/postgres";

// Lite hands over JSON that is already text; serialising it again would store a JSON string inside jsonb.
const jsonType = (oid) => ({
  to: oid,
  from: [oid],
  serialize: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
  parse: (text) => JSON.parse(text),
});

// "2026-01-02 03:04:05.678+00" -> "2026-01-02T03:04:05.678Z": clients parse ISO 8601, supabase-py strictly.
const timestamptz = {
  to: 1184,
  from: [1184],
  serialize: (value) => (value instanceof Date ? value.toISOString() : value),
  parse: (text) => new Date(text).toISOString(),
};

class AuthConnection extends PostgresConnection {
  // Lite's own version grants every table to the browser's roles on the first request, undoing each revoke.
  async ensureRlsContext() {
    return false;
  }
}

export function connect(url) {
  return new AuthConnection({
    url,
    postgresOptions: {
      max: 10,
      connect_timeout: 10,
      types: { json: jsonType(114), jsonb: jsonType(3802), timestamptz },
    },
  });
}
