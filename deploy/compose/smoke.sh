#!/bin/sh
# What only a container engine can show, on this machine with a database of its own: images are built, everything becomes
# healthy, the upgrade runs twice, a person signs up through Caddy, a replica is lost. Uses no secret and no key of yours;
# takes ports 80, 443, 8001 and 8082, and removes what it made. The workflow runs it.
#
#   sh deploy/compose/smoke.sh
#
# Needs Docker with Compose 2.30 or later, curl and python3.
set -eu
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
COMPOSE_PROJECT_NAME=dynamous-agent-smoke
COMPOSE_PROFILES=database
export COMPOSE_PROJECT_NAME COMPOSE_PROFILES
random() { python3 -c 'import secrets; print(secrets.token_hex(24))'; }
password=$(random)
umask 077
cat >"$folder/env" <<ENV
POSTGRES_PASSWORD=$password
DATABASE_URL=postgresql://postgres:$password@database:5432/postgres
SUPABASE_URL=https://chat.localhost
SUPABASE_SERVICE_KEY=$(random)
SUPABASE_JWT_SECRET=$(random)
AUTH_MAILER_AUTOCONFIRM=true
VITE_SUPABASE_URL=https://chat.localhost
VITE_SUPABASE_ANON_KEY=not-checked-here
LLM_PROVIDER=ollama
LLM_BASE_URL=http://host.docker.internal:11434/v1
EMBEDDING_PROVIDER=ollama
EMBEDDING_BASE_URL=http://host.docker.internal:11434/v1
AGENT_API_HOSTNAME=agent.localhost
FRONTEND_HOSTNAME=chat.localhost
LETSENCRYPT_EMAIL=operator@example.com
CADDY_GLOBAL_OPTIONS=local_certs
ENV
umask 022

# Never the operator's .env.
inside() { docker compose --env-file "$folder/env" "$@"; }
rehearsal() { inside --project-name "$COMPOSE_PROJECT_NAME-rehearsal" "$@"; }
public() { inside -f docker-compose.yml -f docker-compose.caddy.yml "$@"; }
ask() { curl --silent --show-error --fail --insecure --max-time 20 "$@"; }
get() { ask --retry 10 --retry-delay 1 --retry-all-errors "$@"; }
through_caddy() { get --resolve chat.localhost:443:127.0.0.1 --resolve agent.localhost:443:127.0.0.1 "$@"; }
# No second try: what Caddy does not hide fails here. Reads, and a question with its body: nobody has bought a token, so the
# API refuses it in its own words (402); one that reached no replica would be Caddy's 502.
QUESTION='{"messages": [{"role": "user", "parts": [{"type": "text", "text": "Is anybody there?"}]}]}'
nobody_notices() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        ask --resolve agent.localhost:443:127.0.0.1 --header "Authorization: Bearer $jwt" \
            https://agent.localhost/api/balance >/dev/null
        status=$(curl --silent --show-error --insecure --max-time 20 --resolve agent.localhost:443:127.0.0.1 \
            --output "$folder/refusal" --write-out '%{http_code}' --header "Authorization: Bearer $jwt" \
            --header 'Content-Type: application/json' --data "$QUESTION" https://agent.localhost/api/pydantic-agent)
        if [ "$status" -ne 402 ]; then
            printf 'a question got %s: %s\n' "$status" "$(cat "$folder/refusal")" >&2
            return 1
        fi
    done
}
step() { printf '\n== %s\n' "$*"; }

finish() {
    status=$?
    if [ "$status" -ne 0 ]; then
        public ps --all || true
        public logs --no-color --tail 100 || true
    fi
    public down --volumes --remove-orphans --timeout 5 || true
    rehearsal down --volumes --remove-orphans --timeout 5 || true
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM

# Docker would make it as root.
mkdir -p google-credentials

step "the files are valid"
inside config --quiet
public config --quiet

step "images are built, and everything becomes healthy"
inside up --detach --build --wait --wait-timeout 600
get http://127.0.0.1:8001/health/ready
get http://127.0.0.1:8082/health

step "the upgrade has nothing left to do"
for _ in 1 2; do
    inside run --rm migrate | tee "$folder/migrate"
    grep -q 'the database is up to date' "$folder/migrate"
    if grep -q applying "$folder/migrate"; then exit 1; fi
done

step "behind Caddy, with two replicas and two workers"
public up --detach --build --wait --wait-timeout 600 --scale agent-api=2 --scale rag-pipeline=2
through_caddy https://chat.localhost/ | grep -q '<div id="root">'
through_caddy https://chat.localhost/config.js | grep -q agent.localhost
through_caddy --output /dev/null --dump-header - https://chat.localhost/ | grep -qi '^strict-transport-security:'

step "a person signs up, and the API knows them"
jwt=$(through_caddy --header 'Content-Type: application/json' \
    --data "{\"email\": \"person@example.com\", \"password\": \"$(random)\"}" https://chat.localhost/auth/v1/signup |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
through_caddy --header "Authorization: Bearer $jwt" https://agent.localhost/api/balance | grep -q '"tokens"'

step "a backup, and its rehearsal in another database"
mkdir "$folder/backups"
chmod 777 "$folder/backups"
with_scripts() {
    "$1" run --rm --no-deps -v "$PWD/scripts:/scripts:ro" -v "$folder/backups:/backups" --entrypoint sh \
        migrate "/scripts/$2" /backups/one.dump
}
with_scripts inside backup.sh
rehearsal up --detach --wait --wait-timeout 300 database auth
with_scripts rehearsal restore.sh | tee "$folder/restored"
grep -q 'restore: 1 people' "$folder/restored"
rehearsal down --volumes --timeout 5

step "a replica is lost, and nobody notices"
docker kill "$(public ps --quiet agent-api | head -n 1)" >/dev/null
nobody_notices

step "replicas are replaced, and nobody notices"
COMPOSE_ENV_FILES=$folder/env sh scripts/replace-replicas.sh
test "$(public ps --quiet agent-api | wc -l)" -eq 2
nobody_notices

step "the books are right"
faults=$(public exec -T database psql "postgresql://postgres:$password@127.0.0.1:5432/postgres" -At \
    -c 'select * from public.audit_ledger()')
test -z "$faults"
printf '\nall passed\n'
