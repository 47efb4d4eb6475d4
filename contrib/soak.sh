#!/usr/bin/env bash
# Sends posts for hours to a relay, and repeatedly kills, stops or reloads the relay. At the end it sends all posts once
# more: no accepted post may be lost, and no post may be accepted twice.
#
# A folder keeps all files: the relay's files and log, the journal of all answers, and the report.
set -euo pipefail

usage() {
  cat <<END
usage: contrib/soak.sh [--duration SECONDS] [--every SECONDS] [--rate POSTS] [--replays SHARE] [--forgeries SHARE]
                       [--conflicts SHARE] [--listen ADDRESS] [--valkey URL] [--folder FOLDER]

  --duration   seconds to send posts                             [3600]
  --every      seconds from one fault to the next, on average    [20]
  --rate       posts a second                                    [50]
  --replays    share of posts that were sent before; the other posts need proofs, which are made first, about 25 a
               second on a core                                  [90%]
  --forgeries  share of posts with an invalid proof              [5%]
  --conflicts  share of posts that reuse a message id            [0.2%]
  --listen     address of the relay                              [127.0.0.1:8480]
  --valkey     server for nullifiers, in place of the relay's own store
  --folder     new folder for all files                          [a temporary folder]

The program is \$QUOTAPASS, or the quotapass in the path.
END
}

quotapass=${QUOTAPASS:-quotapass}
duration=3600 every=20 rate=50 replays=90% forgeries=5% conflicts=0.2% listen=127.0.0.1:8480 folder='' log=() lenient=()
while [ $# -gt 0 ]; do
  case $1 in
    --duration) duration=$2 ;;
    --every) every=$2 ;;
    --rate) rate=$2 ;;
    --replays) replays=$2 ;;
    --forgeries) forgeries=$2 ;;
    --conflicts) conflicts=$2 ;;
    --listen) listen=$2 ;;
    --valkey) log=(--valkey "$2") lenient=(--log-may-lose-answers) ;;
    --folder) folder=$2 ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
  shift 2
done

if [ -z "$folder" ]; then
  folder=$(mktemp -d)
else
  mkdir "$folder"
fi
config=$folder/relay/relay.toml
load=(--rate "$rate" --duration "$duration" --replays "$replays" --forgeries "$forgeries" --conflicts "$conflicts")
relay='' posting='' kills=0 stops=0 reloads=0 resident=0

finish() {
  for process in $posting $relay; do
    kill -9 "$process" 2>/dev/null || true
  done
}
trap finish EXIT

start() {
  : >"$folder/started"
  "$quotapass" relay --config "$config" --data-dir "$folder/relay/data" --json >"$folder/started" 2>>"$folder/relay.log" &
  relay=$!
  # The first line of its output means that it listens.
  until [ -s "$folder/started" ]; do
    kill -0 "$relay" 2>/dev/null || { echo "the relay did not start; see $folder/relay.log" >&2; exit 1; }
    sleep 0.05
  done
}

# Ends the relay with a signal. After KILL any exit code is accepted.
end() {
  kill "-$1" "$relay"
  wait "$relay" || [ "$1" = KILL ] || { echo "the relay did not stop cleanly; see $folder/relay.log" >&2; exit 1; }
  relay=''
}

"$quotapass" bench relay --prepare "$folder/relay" --listen "$listen" "${load[@]}" "${log[@]}"
cp "$config" "$folder/good.toml"
start
"$quotapass" bench relay --url "http://$listen" "${load[@]}" --retry 10m --journal "$folder/journal" "${lenient[@]}" \
  --json >"$folder/report.json" &
posting=$!

until_over=$((SECONDS + duration))
while [ $SECONDS -lt $until_over ]; do
  sleep "$((RANDOM % (2 * every) + 1)).$((RANDOM % 10))"
  now=$(awk '/^VmRSS/ { print $2 }' "/proc/$relay/status" 2>/dev/null || echo 0)
  resident=$((now > resident ? now : resident))
  case $((RANDOM % 5)) in
    0) end TERM; start; stops=$((stops + 1)) ;;
    1)
      # First an invalid configuration, which must change nothing; then the good one.
      echo "nonsense = true" >>"$config"
      kill -HUP "$relay"
      sleep 0.5
      cp "$folder/good.toml" "$config"
      kill -HUP "$relay"
      reloads=$((reloads + 2))
      ;;
    *) end KILL; start; kills=$((kills + 1)) ;;
  esac
done

wait "$posting" || { posting=''; cat "$folder/report.json"; echo "unexpected verdicts; see $folder" >&2; exit 1; }
posting=''
cat "$folder/report.json"
end KILL
start
"$quotapass" bench relay --url "http://$listen" --journal "$folder/journal" --resend --retry 1m "${lenient[@]}" --json \
  >"$folder/resent.json" || { cat "$folder/resent.json"; echo "a post was lost or accepted twice; see $folder" >&2; exit 1; }
cat "$folder/resent.json"
end TERM
echo "$kills kills, $stops stops, $reloads reloads, peak of $((resident / 1024)) MiB resident: nothing was lost," \
  "nothing was accepted twice"
