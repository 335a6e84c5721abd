#!/bin/sh
# Replaces the API's replicas behind Caddy: as many new ones, of the present images and settings, are healthy before an
# old one is asked to stop. New ones that do not become healthy go again, and the old ones serve on.
#
#   sh scripts/replace-replicas.sh
set -eu
cd "$(dirname "$0")/.."
WAIT_SECONDS_MAX=300
LABEL='index .Config.Labels "com.docker.compose'
DESCRIBED="{{$LABEL.oneoff\"}} {{.Id}} {{$LABEL.container-number\"}}"

compose() { docker compose -f docker-compose.yml -f docker-compose.caddy.yml "$@"; }

say() { echo "replace-replicas: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# "id number", one replica a line, running or not. What `compose run` started is none.
replicas() {
    compose ps --all --quiet agent-api | while read -r id; do
        docker inspect --format "$DESCRIBED" "$id" || true # it has ended meanwhile
    done | sed -n 's/^False //p'
}

# Runs where this script ends before the new ones are healthy.
take_back() {
    new=$(replicas | cut -d ' ' -f 1 | grep -vxF "$old" || true)
    for id in $new; do
        docker logs --tail 20 "$id" >&2 || true
    done
    # shellcheck disable=SC2086 # a list
    [ -z "$new" ] || { docker stop $new && docker rm $new; } >/dev/null
    say 'the new replicas did not become healthy (above: what they said) and are gone; the old ones serve on'
}

before=$(replicas)
[ -n "$before" ] || fail 'no replica runs; python3 deploy.py --type cloud starts them'
old=$(printf '%s\n' "$before" | cut -d ' ' -f 1)
count=$(($(printf '%s\n' "$before" | wc -l)))
number=$(printf '%s\n' "$before" | cut -d ' ' -f 2 | sort -n | tail -n 1)

# Compose counts on from the highest number, and a replica without a place gets no request.
places=" $(compose exec -T caddy printenv AGENT_API_UPSTREAMS) "
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
compose up --detach --no-deps --no-recreate --scale agent-api=$((2 * count)) \
    --wait --wait-timeout "$WAIT_SECONDS_MAX" agent-api
trap - EXIT
# This takes as long as the answers under way: a connection that is lost meanwhile does not end it.
trap '' HUP
# shellcheck disable=SC2086 # a list
docker stop $old >/dev/null
# shellcheck disable=SC2086 # a list
docker rm $old >/dev/null
say "$count replaced"
