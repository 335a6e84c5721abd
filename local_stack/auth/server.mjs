// Supabase Lite as the authentication service of the embedded stack.
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { connect } from "./connection.mjs";
import { createGateway } from "./gateway.mjs";
import { readSettings } from "./settings.mjs";

const SHUTDOWN_MILLISECONDS_MAX = 3000;

function main() {
  const settings = readSettings(process.env);
  const connection = connect(settings.databaseUrl);
  const app = new App({
    connection,
    auth: {
      enabled: true,
      enable_signup: true,
      jwt_secret: settings.jwtSecret,
      jwt_expiry: settings.jwtExpirySeconds,
      publishable_key: settings.publishableKey,
      secret_key: settings.secretKey,
      site_url: settings.siteUrl,
      additional_redirect_urls: settings.corsOrigins.flatMap((origin) => [origin, `${origin}/auth/callback`]),
      minimum_password_length: 6,
      email: { enable_signup: true, enable_confirmations: false },
    },
    options: { server: { admin: false } },
  });
  const server = serve({
    fetch: createGateway({ app, connection, corsOrigins: settings.corsOrigins }),
    hostname: "127.0.0.1",
    port: settings.port,
  });
  server.on("error", (error) => {
    console.error(`auth: ${error.message}`);
    process.exit(1);
  });
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      setTimeout(() => process.exit(0), SHUTDOWN_MILLISECONDS_MAX).unref();
      server.close(() => connection.close().finally(() => process.exit(0)));
      server.closeIdleConnections();
    });
  }
}

try {
  main();
} catch (error) {
  console.error(`auth: ${error.message}`);
  process.exit(1);
}
