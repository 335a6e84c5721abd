#!/bin/sh
# Brings the database at DATABASE_URL to the scripts beside this file: each that is not recorded there is applied in one
# transaction with its record. May be killed, repeated and run twice at once.
#
#   migrate.sh                          apply what is missing
#   migrate.sh --list                   say what is applied and what is missing; change nothing
#   migrate.sh --reapply                apply every script again, edited ones too
#   migrate.sh --fresh-install          run 0-all-tables.sql on a database that holds no data
#   migrate.sh --fresh-install --drop-all-data      the same on one that does: ALL ITS DATA IS LOST
#
# Needs sh, psql, awk, sed and sha256sum (or shasum); no pooler is in its way, whatever its mode.
set -eu

MIGRATE_CONNECT_SECONDS=${MIGRATE_CONNECT_SECONDS:-120}           # until the database and its accounts are there
MIGRATE_WAIT_SECONDS=${MIGRATE_WAIT_SECONDS:-600}                 # for another migration that is under way
MIGRATE_LOCK_SECONDS=${MIGRATE_LOCK_SECONDS:-60}                  # for a table that somebody else holds
MIGRATE_STATEMENT_SECONDS=${MIGRATE_STATEMENT_SECONDS:-3600}      # for one statement
ADVISORY_LOCK=7263549081263548                                    # any number that nobody else takes
RECORDS=25-applied-scripts.sql
FRESH_INSTALL=0-all-tables.sql

fail() {
    echo "migrate: $*" >&2
    exit 1
}

# Not echo: some shells read \e and \n in what they are given.
say() {
    printf '%s\n' "$*"
}

# A password in an argument stands in every list of processes: take it out of the address and decode its %XX.
read_address() {
    [ -n "${DATABASE_URL:-}" ] || fail 'DATABASE_URL is not set'
    case $DATABASE_URL in
        postgres://* | postgresql://*) ;;
        *) fail 'DATABASE_URL must be postgresql://user:password@host:port/database' ;;
    esac
    rest=${DATABASE_URL#*://}
    authority=${rest%%[/?]*}
    address=$DATABASE_URL
    case $authority in
        *:*@*)
            user_info=${authority%@*}
            PGPASSWORD=$(printf '%s' "${user_info#*:}" | LC_ALL=C awk '{
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
            }')
            export PGPASSWORD
            address="${DATABASE_URL%%://*}://${user_info%%:*}@${authority##*@}${rest#"$authority"}"
            ;;
    esac
}

run_psql() {
    PGCONNECT_TIMEOUT=10 PGCLIENTENCODING=UTF8 PGAPPNAME=migrate \
        psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$@" "$address"
}

# The server, Supabase's roles, and the table of accounts, which the auth service makes when it first starts.
wait_for_database() {
    deadline=$(($(date +%s) + MIGRATE_CONNECT_SECONDS))
    while :; do
        if answer=$(run_psql -c "select case
            when (select count(*) from pg_roles where rolname in ('anon', 'authenticated', 'service_role')) < 3
                then 'the roles anon, authenticated and service_role (local_stack/postgres/bootstrap.sql makes them)'
            when to_regclass('auth.users') is null then 'table auth.users (the auth service makes it)'
            end" 2>&1); then
            [ -n "$answer" ] || return 0
            missing="the database lacks $answer"
        else
            missing=$answer
            case $missing in
                *'authentication failed'* | *'does not exist'* | *'invalid '* | *'not found'*) fail "$missing" ;;
            esac
        fi
        [ "$(date +%s)" -lt "$deadline" ] || fail "$missing"
        sleep 1
    done
}

numbered_scripts() {
    for path in [0-9]*-*.sql; do
        [ "$path" = "$FRESH_INSTALL" ] || say "$path"
    done | sort -n
}

# Names stand unquoted in what psql is told.
check_names() {
    for path in [0-9]*-*.sql; do
        case $path in
            *[!A-Za-z0-9._-]*) fail "the name $path holds a character that no script's may" ;;
        esac
        [ -r "$path" ] || fail "$path cannot be read"
    done
}

checksum_of() {
    if command -v sha256sum >/dev/null; then
        tr -d '\r' <"$1" | sha256sum | cut -c 1-64
    else
        tr -d '\r' <"$1" | shasum -a 256 | cut -c 1-64
    fi
}

# ('1-user-profiles.sql', '...'), ...
values_of_scripts() {
    separator=
    for script in $(numbered_scripts); do
        printf "%s\n    ('%s', '%s')" "$separator" "$script" "$(checksum_of "$script")"
        separator=,
    done
}

begin() {
    say 'begin;'
    say 'set local client_min_messages = warning;'
    say "set local statement_timeout = '${MIGRATE_STATEMENT_SECONDS}s';"
    say "set local lock_timeout = '${MIGRATE_WAIT_SECONDS}s';"
    # Of the transaction, not of the session: poolers keep it, and a killed migration gives it back.
    say "do \$\$ begin perform pg_advisory_xact_lock($ADVISORY_LOCK); end \$\$;"
    say "set local lock_timeout = '${MIGRATE_LOCK_SECONDS}s';"
}

refuse_what_is_no_upgrade() {
    cat <<SQL
do \$refuse\$
declare
    v_edited text;
    v_late text;
    v_newer text;
begin
    create temporary table scripts (name, checksum) on commit drop as values $(values_of_scripts);
    select string_agg(s.name, ', ' order by split_part(s.name, '-', 1)::integer) into v_edited
    from scripts as s join private.applied_scripts as a on a.name = s.name and a.checksum <> s.checksum;
    if v_edited is not null then
        raise exception 'edited after it was applied: %', v_edited
            using hint = 'Undo the edit and add a further script, or apply every script again with --reapply.';
    end if;
    select string_agg(s.name, ', ' order by split_part(s.name, '-', 1)::integer) into v_late
    from scripts as s
    where not exists (select from private.applied_scripts as a where a.name = s.name)
        and split_part(s.name, '-', 1)::integer
            < (select max(split_part(a.name, '-', 1)::integer) from private.applied_scripts as a);
    if v_late is not null then
        raise exception 'added before scripts that are applied: %', v_late
            using hint = 'A new script takes the next free number. --reapply applies every script again, in order.';
    end if;
    select string_agg(a.name, ', ' order by split_part(a.name, '-', 1)::integer) into v_newer
    from private.applied_scripts as a where not exists (select from scripts as s where s.name = a.name);
    if v_newer is not null then
        raise warning 'the database is newer than this release, which is fine: %', v_newer;
    end if;
end;
\$refuse\$;
SQL
}

record() {
    say "insert into private.applied_scripts (name, checksum) values ('$1', '$(checksum_of "$1")')"
    say 'on conflict (name) do update set checksum = excluded.checksum, applied_at = excluded.applied_at;'
}

plan_missing() {
    begin
    say "\i $RECORDS"
    [ "$1" = everything ] || refuse_what_is_no_upgrade
    say 'commit;'
    for script in $(numbered_scripts); do
        begin
        # Looked up under the lock: another migration may have been here.
        if [ "$1" = everything ]; then
            say '\set missing true'
        else
            say "select not exists (select from private.applied_scripts where name = '$script') as missing \gset"
        fi
        say '\if :missing'
        say "\echo migrate: applying $script"
        say "\i $script"
        record "$script"
        say '\endif'
        say 'commit;'
    done
    say '\echo migrate: the database is up to date'
}

# Planned whole before psql sees a line of it: a plan that breaks off must not look like one that ended.
apply_missing() {
    plan=$(plan_missing "$1")
    say "$plan" | run_psql -f -
}

install_afresh() {
    {
        begin
        if [ "$1" != drop ]; then
            cat <<'SQL'
do $data$
declare
    v_table regclass;
    v_full boolean;
begin
    for v_table in
        select c.oid from pg_catalog.pg_class as c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            -- Written by the scripts and by idle services.
            and c.relname not in ('app_settings', 'job_leases')
    loop
        execute format('select exists (select from %s)', v_table) into v_full;
        if v_full then
            raise exception 'the database holds data, in table % at least', v_table
                using hint = 'Without --fresh-install it is upgraded. --drop-all-data loses all of it.';
        end if;
    end loop;
end;
$data$;
SQL
        fi
        say "\echo migrate: installing afresh"
        say "\i $FRESH_INSTALL"
        say 'commit;'
    } | run_psql -f -
    apply_missing missing
}

list() {
    {
        say "select to_regclass('private.applied_scripts') is not null as recorded \gset"
        say '\if :recorded'
        cat <<SQL
select format('%-9s %s', case when a.name is null then 'missing' when a.checksum <> s.checksum then 'EDITED'
    else 'applied' end, s.name)
from (values $(values_of_scripts)) as s (name, checksum) left join private.applied_scripts as a using (name)
order by split_part(s.name, '-', 1)::integer;
\\else
\\echo nothing is recorded: every script will be applied
\\endif
SQL
    } | run_psql -f -
}

cd "$(dirname "$0")"
check_names
action=$*
case $action in
    '' | --list | --reapply | --fresh-install | '--fresh-install --drop-all-data') ;;
    *) fail "unknown arguments: $action" ;;
esac
read_address
wait_for_database
case $action in
    '') apply_missing missing ;;
    --list) list ;;
    --reapply) apply_missing everything ;;
    --fresh-install) install_afresh keep ;;
    '--fresh-install --drop-all-data') install_afresh drop ;;
esac
