// What the site does with supabase-js, against the service at argv[2]; prints one JSON object.
import { createRequire } from "node:module";

const [url, key, email] = process.argv.slice(2);
const require = createRequire(new URL("../auth/package.json", import.meta.url));
const { createClient } = require("@supabase/supabase-js");
const { auth } = createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } });
const password = "correct horse";
const code = ({ error }) => error?.code ?? null;

const signedUp = await auth.signUp({ email, password, options: { data: { full_name: 'Sample "S" Person' } } });
const repeated = await auth.signUp({ email, password });
const wrong = await auth.signInWithPassword({ email, password: "wrong password" });
const signedIn = await auth.signInWithPassword({ email, password });
const refreshed = await auth.refreshSession();
const user = await auth.getUser();
const signedOut = await auth.signOut();
const afterSignOut = await auth.refreshSession({ refresh_token: refreshed.data.session.refresh_token });

console.log(
  JSON.stringify({
    errors: [signedUp, signedIn, refreshed, user, signedOut].map(code),
    sessionAtSignUp: signedUp.data.session !== null,
    repeated: code(repeated),
    wrong: code(wrong),
    metadata: user.data.user.user_metadata,
    createdAt: user.data.user.created_at,
    rotated: refreshed.data.session.refresh_token !== signedIn.data.session.refresh_token,
    refusedAfterSignOut: afterSignOut.error !== null,
    jwt: refreshed.data.session.access_token,
  }),
);
