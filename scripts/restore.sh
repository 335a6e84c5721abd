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
[ -n "$file" ] || fail 'name the file to read: sh scripts/restore.sh backup.dump'
if [ ! -r "$file" ]; then
    fail "$file is not there, or closed to user $(id -u): sudo chown -R $(id -u) the folder with it on the machine"
fi
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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pg_restore --list "$file" >"$work/all"
# Accounts come first, and people before their identities: others refer to them. Nothing else of schema auth, which
# belongs to the auth service; nothing that belongs to whoever made the database.
awk -v accounts="$accounts" '
    /^;/ { next }
    { entry = $0; sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry) }
    accounts && entry ~ /^TABLE DATA auth users / { users = $0 "\n"; next }
    accounts && entry ~ /^TABLE DATA auth identities / { identities = $0 "\n"; next }
    entry ~ /^([A-Z]+ )+auth / || entry ~ /^DEFAULT ACL / { next }
    entry ~ /^SCHEMA - (public|auth) / || entry ~ /^(ACL|COMMENT) - (SCHEMA (public|auth)|EXTENSION) / { next }
    { rest = rest $0 "\n" }
    END { printf "%s", users identities rest }
' "$work/all" >"$work/list"

section() {
    pg_restore --no-owner --use-list="$work/list" --section="$1" --file="$2" "$file"
}

# What programs of Postgres 17 set, servers before 17 do not know.
newer_setting='SET transaction_timeout = 0;'

# sed for what is no data: pgvector's types, functions and operators where the target has pgvector.
follow_vector() {
    printf '%s\n' "/^$newer_setting\$/d"
    from=$(sed -n 's/^CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA \([a-z_][a-z0-9_]*\);$/\1/p' "$work/before.sql")
    to=$(ask "select extnamespace::regnamespace from pg_extension where extname = 'vector'")
    if [ -z "$from" ] || [ -z "$to" ] || [ "$from" = "$to" ]; then return; fi
    names=$(ask "select string_agg(distinct name, '|') from pg_depend
        join (select tableoid as classid, oid as objid, typname as name from pg_type
            union all select tableoid, oid, proname from pg_proc
            union all select tableoid, oid, opcname from pg_opclass
            union all select tableoid, oid, opfname from pg_opfamily) as o using (classid, objid)
        where deptype = 'e' and refclassid = 'pg_extension'::regclass and name ~ '^[a-z][a-z0-9_]*$'
            and refobjid = (select oid from pg_extension where extname = 'vector')")
    edit="s/(^|[^A-Za-z0-9_.\"])$from\\.($names)(\$|[^A-Za-z0-9_])/\\1$to.\\2\\3/g"
    # Twice: neighbours share the character between them.
    printf '%s\n' "$edit" "$edit" "s/OPERATOR\\($from\\./OPERATOR($to./g"
}

# The head of a section, without what an older server would refuse; then rows, none of which is held in memory.
data() {
    { section data - || : >"$work/broken"; } | {
        while IFS= read -r line; do
            [ "$line" = "$newer_setting" ] || printf '%s\n' "$line"
            [ "$line" != 'SET row_security = off;' ] || break
        done
        cat
    }
    [ ! -e "$work/broken" ]
}

section pre-data "$work/before.sql"
section post-data "$work/after.sql"
follow_vector >"$work/edits"
# Committed only where the file was read to its end.
{
    echo 'begin;'
    sed -E -f "$work/edits" "$work/before.sql"
    data && sed -E -f "$work/edits" "$work/after.sql" && echo 'commit;'
} | psql -X -q -w -v ON_ERROR_STOP=1 --output=/dev/null "$address"
[ -n "$(ask "select to_regclass('public.user_profiles')")" ] || fail "$file could not be read to its end; nothing was kept"
sh "$here/../sql/migrate.sh" --reapply
ask 'set client_min_messages = error; analyze'
faults=$(ask 'select count(*) from public.audit_ledger()')
[ "$faults" = 0 ] || fail "audit_ledger() finds $faults faults in the books"
reached=$(database_reached)
echo "restore: $(ask 'select count(*) from public.user_profiles') people, and the books agree: $reached"
