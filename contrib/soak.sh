#!/usr/bin/env bash
# Posts for hours on a relay that is killed, stopped and told to read its configuration again, over and over. At the end
# everything is sent once more: nothing that was accepted may be lost, and nothing may be accepted twice.
#
# Everything is kept in a folder: the relay's files and log, the journal of all answers, and the report.
set -euo pipefail

usage() {
  cat <<END
usage: contrib/soak.sh [--duration SECONDS] [--every SECONDS] [--rate POSTS] [--replays SHARE] [--forgeries SHARE]
                       [--conflicts SHARE] [--listen ADDRESS] [--valkey URL] [--folder FOLDER]

  --duration   how long posts are sent                           [3600]
  --every      seconds from one fault to the next, on average    [20]
  --rate       posts a second                                    [50]
  --replays    share of posts that were sent before; what is left takes proofs that are made first, some 25 a second on
               a core                                            [90%]
  --forgeries  share of posts whose proof does not fit           [5%]
  --conflicts  share of posts that are somebody's second         [0.2%]
  --listen     where the relay listens                           [127.0.0.1:8480]
  --valkey     keep nullifiers there, in place of a store of the relay's own
  --folder     new folder for everything                         [a temporary one]

The program is \$QUOTAPASS, or the quotapass of the path.
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
  # Its first line says that it listens.
  until [ -s "$folder/started" ]; do
    kill -0 "$relay" 2>/dev/null || { echo "the relay did not start; see $folder/relay.log" >&2; exit 1; }
    sleep 0.05
  done
}

# Ends the relay with a signal. A relay that is killed has no other word for it than its exit code.
end() {
  kill "-$1" "$relay"
  wait "$relay" || [ "$1" = KILL ] || { echo "the relay did not stop well; see $folder/relay.log" >&2; exit 1; }
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
      # A configuration that cannot be, which must change nothing; then the good one.
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

wait "$posting" || { posting=''; cat "$folder/report.json"; echo "the verdicts do not fit; see $folder" >&2; exit 1; }
posting=''
cat "$folder/report.json"
end KILL
start
"$quotapass" bench relay --url "http://$listen" --journal "$folder/journal" --resend --retry 1m "${lenient[@]}" --json \
  >"$folder/resent.json" || { cat "$folder/resent.json"; echo "something was lost; see $folder" >&2; exit 1; }
cat "$folder/resent.json"
end TERM
echo "$kills kills, $stops stops, $reloads reloads, at most $((resident / 1024)) MiB resident: nothing was lost," \
  "nothing accepted twice"
