#!/bin/sh
# Brings what backup.sh wrote into the database at DATABASE_URL, which must not hold the product yet: as Supabase, the
# profile `database` or local_stack/postgres/bootstrap.sql hand it out.
#
#   DATABASE_URL=postgresql://... sh scripts/restore.sh backup.dump
#   DATABASE_URL=postgresql://... sh scripts/restore.sh backup.dump --without-accounts     where auth.users has them still
#
# All of it or nothing, in one transaction; then sql/migrate.sh applies every script again, which makes the triggers on
# auth.users, closes what the new database opens by default, and brings an older backup to this release.
program=restore
here=$(dirname "$0")
# shellcheck source=connection.sh
. "$here/connection.sh"

file=${1:-}
[ -r "$file" ] || fail 'name the file to read: sh scripts/restore.sh backup.dump'
case ${2:-} in
    '') accounts=1 ;;
    --without-accounts) accounts=0 ;;
    *) fail "$2 is no option of it" ;;
esac
read_address
[ -n "$(ask "select to_regclass('auth.users')")" ] ||
    fail 'the database has no accounts (auth.users) yet: start its auth service first'
[ -z "$(ask "select to_regclass('public.user_profiles')")" ] ||
    fail 'the database holds the product already; restore into an empty one'

list=$(mktemp)
trap 'rm -f "$list" "$list.all"' EXIT
pg_restore --list "$file" >"$list.all"
# Accounts come first: profiles refer to them. Nothing else of schema auth, which belongs to the auth service; nothing
# that belongs to whoever made the database.
awk -v accounts="$accounts" '
    /^;/ { next }
    { entry = $0; sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry) }
    accounts && entry ~ /^TABLE DATA auth (users|identities) / { print; next }
    entry ~ /^([A-Z]+ )+auth / || entry ~ /^DEFAULT ACL / { next }
    entry ~ /^SCHEMA - (public|auth) / || entry ~ /^(ACL|COMMENT) - (SCHEMA (public|auth)|EXTENSION) / { next }
    { rest = rest $0 "\n" }
    END { printf "%s", rest }
' "$list.all" >"$list"
# Committed only where the file was read to its end. What programs of Postgres 17 set, servers before 17 do not know.
{
    echo 'begin;'
    pg_restore --no-owner --use-list="$list" --file=- "$file" && echo 'commit;'
} | sed '1,40{/^SET transaction_timeout = 0;$/d;}' | psql -X -q -w -v ON_ERROR_STOP=1 --output=/dev/null "$address"
[ -n "$(ask "select to_regclass('public.user_profiles')")" ] || fail "$file could not be read to its end; nothing was kept"
sh "$here/../sql/migrate.sh" --reapply
ask 'set client_min_messages = error; analyze'
faults=$(ask 'select count(*) from public.audit_ledger()')
[ "$faults" = 0 ] || fail "audit_ledger() finds $faults faults in the books"
echo "restore: $(ask 'select count(*) from public.user_profiles') people, and the books agree"
