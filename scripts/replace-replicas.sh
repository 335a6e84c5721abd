#!/bin/sh
# Replaces the API's replicas behind Caddy: as many new ones, of the present images and settings, are healthy before an
# old one is asked to stop. New ones that do not become healthy go again, and the old ones serve on.
#
#   sh scripts/replace-replicas.sh                             new ones have five minutes to become healthy
#   WAIT_SECONDS_MAX=900 sh scripts/replace-replicas.sh        where that is too short
set -eu
cd "$(dirname "$0")/.."
WAIT_SECONDS_MAX=${WAIT_SECONDS_MAX:-300}
LABEL='index .Config.Labels "com.docker.compose'
DESCRIBED="{{$LABEL.oneoff\"}} {{.Id}} {{$LABEL.container-number\"}}"
STATE='{{.State.Status}} {{.State.Health.Status}}'

compose() { docker compose -f docker-compose.yml -f docker-compose.caddy.yml "$@"; }

say() { echo "replace-replicas: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# "id number", one replica a line, running or not. What `compose run` started is none.
replicas() {
    ids=$(compose ps --all --quiet agent-api) || return 1
    for id in $ids; do
        docker inspect --format "$DESCRIBED" "$id" || true # it has ended meanwhile
    done | sed -n 's/^False //p'
}

# Those that were not there in the beginning, an id a line.
new_ones() {
    now=$(replicas) || return 1
    printf '%s\n' "$now" | cut -d ' ' -f 1 | grep -vxF "$old" || true
}

# Only the new ones are asked: an old one may be sick, and replaced because of that.
await_new() {
    new=$(new_ones)
    [ "$(printf '%s\n' "$new" | wc -l)" -ge "$count" ] || return 1
    deadline=$(($(date +%s) + WAIT_SECONDS_MAX))
    while :; do
        # shellcheck disable=SC2086 # a list
        states=$(docker inspect --format "$STATE" $new) || return 1
        case $states in
            *unhealthy* | *exited* | *restarting* | *dead*) return 1 ;;
        esac
        printf '%s\n' "$states" | grep -qvxF 'running healthy' || return 0
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 1
    done
}

# Runs where this script ends before the new ones are healthy.
take_back() {
    failed='the new replicas did not become healthy'
    if ! new=$(new_ones); then
        say "$failed, and may still run: Docker does not say now which they are; the old ones serve on"
        return
    fi
    for id in $new; do
        docker logs --tail 20 "$id" >&2 || true
    done
    # shellcheck disable=SC2086 # a list
    if [ -z "$new" ] || { docker stop $new && docker rm $new; } >/dev/null; then
        say "$failed (above: what they said) and are gone; the old ones serve on"
    else
        say "$failed (above: what they said), and Docker could not take all of them away; the old ones serve on"
    fi
}

before=$(replicas)
[ -n "$before" ] || fail 'no replica runs; python3 deploy.py --type cloud starts them'
old=$(printf '%s\n' "$before" | cut -d ' ' -f 1)
count=$(($(printf '%s\n' "$before" | wc -l)))
number=$(printf '%s\n' "$before" | cut -d ' ' -f 2 | sort -n | tail -n 1)

# Compose counts on from the highest number, and a replica without a place gets no request.
places=" $(compose exec -T caddy printenv AGENT_API_UPSTREAMS </dev/null) "
highest=$((number + count))
while [ "$number" -lt "$highest" ]; do
    number=$((number + 1))
    case $places in
        *"-agent-api-$number:8001 "*) ;;
        *) fail "nothing was changed: Caddy has no place for number $number (docs/operations.md, Upgrading)" ;;
    esac
done

trap take_back EXIT
trap 'exit 1' HUP INT TERM
compose up --detach --no-deps --no-recreate --scale agent-api=$((2 * count)) agent-api
await_new || exit 1
trap - EXIT
# This takes as long as the answers under way: a connection that is lost meanwhile does not end it.
trap '' HUP
# shellcheck disable=SC2086 # a list
docker stop $old >/dev/null
# shellcheck disable=SC2086 # a list
docker rm $old >/dev/null
say "$count replaced"
