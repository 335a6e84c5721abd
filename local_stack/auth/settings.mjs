// Settings from the environment; a missing one ends the start in one message that names all.
const required = [
  "AUTH_PORT",
  "AUTH_DATABASE_URL",
  "AUTH_JWT_SECRET",
  "AUTH_PUBLISHABLE_KEY",
  "AUTH_SECRET_KEY",
  "AUTH_SITE_URL",
  "AUTH_CORS_ORIGINS",
];
const JWT_SECRET_BYTES_MIN = 32;

export function readSettings(environment) {
  const missing = required.filter((name) => !environment[name]);
  if (missing.length > 0) {
    throw new Error(`missing settings: ${missing.join(", ")}`);
  }
  if (Buffer.byteLength(environment.AUTH_JWT_SECRET) < JWT_SECRET_BYTES_MIN) {
    throw new Error(`AUTH_JWT_SECRET must have at least ${JWT_SECRET_BYTES_MIN} bytes`);
  }
  return {
    port: Number(environment.AUTH_PORT),
    databaseUrl: environment.AUTH_DATABASE_URL,
    jwtSecret: environment.AUTH_JWT_SECRET,
    publishableKey: environment.AUTH_PUBLISHABLE_KEY,
    secretKey: environment.AUTH_SECRET_KEY,
    siteUrl: environment.AUTH_SITE_URL,
    corsOrigins: environment.AUTH_CORS_ORIGINS.split(",").map((origin) => origin.trim()),
    jwtExpirySeconds: Number(environment.AUTH_JWT_EXPIRY_SECONDS ?? 3600),
  };
}
