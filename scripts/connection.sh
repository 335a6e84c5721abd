# shellcheck shell=sh disable=SC2154 # $program is set by whoever reads it
# Read by backup.sh and restore.sh: hands DATABASE_URL to Postgres' programs without the password, which would stand in
# every list of processes. DATABASE_SESSION_URL, where it is set, is the same database without a pooler in transaction
# mode in between: such a pooler would give each statement another session.
set -eu
umask 077

fail() {
    echo "$program: $*" >&2
    exit 1
}

read_address() {
    # For sql/migrate.sh too.
    export DATABASE_URL="${DATABASE_SESSION_URL:-${DATABASE_URL:-}}"
    case $DATABASE_URL in
        postgres://* | postgresql://*) ;;
        *) fail 'DATABASE_URL must be postgresql://user:password@host:port/database' ;;
    esac
    case $DATABASE_URL in
        *:6543/*) fail 'a pooler in transaction mode is in the way: set DATABASE_SESSION_URL (session mode, port 5432)' ;;
    esac
    rest=${DATABASE_URL#*://}
    authority=${rest%%[/?]*}
    address=$DATABASE_URL
    case $authority in
        *:*@*)
            user_info=${authority%@*}
            PGPASSWORD=$(decode "${user_info#*:}")
            export PGPASSWORD
            address="${DATABASE_URL%%://*}://${user_info%%:*}@${authority##*@}${rest#"$authority"}"
            ;;
    esac
    export PGCONNECT_TIMEOUT=10 PGCLIENTENCODING=UTF8 PGAPPNAME="$program"
}

# %XX of an address.
decode() {
    printf '%s' "$1" | LC_ALL=C awk '{
        out = ""
        for (i = 1; i <= length($0); i++) {
            c = substr($0, i, 1)
            if (c == "%" && substr($0, i + 1, 2) ~ /^[0-9A-Fa-f][0-9A-Fa-f]$/) {
                hex = index("0123456789abcdef", tolower(substr($0, i + 1, 1))) - 1
                c = sprintf("%c", hex * 16 + index("0123456789abcdef", tolower(substr($0, i + 2, 1))) - 1)
                i += 2
            }
            out = out c
        }
        printf "%s", out
    }'
}

# Which database the programs reach, without who asks.
database_reached() {
    printf '%s\n' '\echo database :DBNAME at :HOST' | psql -X -q -w -v ON_ERROR_STOP=1 "$address"
}

# However long it takes: a server may have a limit for its roles. Not as a start-up option: poolers drop those.
ask() {
    psql -X -q -A -t -w -v ON_ERROR_STOP=1 -c 'set statement_timeout = 0' -c "$1" "$address"
}
