#!/bin/sh
# Writes the database at DATABASE_URL to one file: the product's schemas with all data, and the accounts.
#
#   DATABASE_URL=postgresql://... sh scripts/backup.sh backup.dump
#
# One transaction's view of everything, while people go on. Needs sh, awk and Postgres' programs, not older than the
# server. Files that uploads keep in Supabase Storage are not in the database. The file holds everybody's questions and
# the hashes of their passwords: keep it as you keep the database.
program=backup
# shellcheck source=connection.sh
. "$(dirname "$0")/connection.sh"

file=${1:-}
[ -n "$file" ] || fail 'name the file to write: sh scripts/backup.sh backup.dump'
[ ! -e "$file" ] || fail "$file is there already"
read_address
[ -n "$(ask "select to_regclass('public.user_profiles')")" ] || fail 'the database holds no tables of the product'
reached=$(database_reached)

partial=$file.partial
trap 'rm -f "$partial"' EXIT
# Sessions and mails under way are of no use elsewhere.
pg_dump --format=custom --no-password --lock-wait-timeout=60s --file="$partial" \
    --schema=public --schema=private --schema=queue --schema=auth --extension=vector \
    --exclude-table-data='auth.sessions' --exclude-table-data='auth.refresh_tokens' \
    --exclude-table-data='auth.one_time_tokens' --exclude-table-data='auth.flow_state' \
    --exclude-table-data='auth.audit_log_entries' \
    --dbname="$address"
pg_restore --list "$partial" >/dev/null
mv "$partial" "$file"
echo "backup: wrote $file ($(wc -c <"$file" | tr -d ' ') bytes): $reached"
