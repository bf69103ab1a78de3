#!/bin/bash
# What Bulkhead does on a macOS device: STEP key=value ... The contract is that of bulkhead-linux.sh; there is no memory
# image here, since nothing that runs without a kernel extension can take one. For bash 3.2, as macOS has it.
#
# This script was never seen to run on a real device: see docs/live-response.md.
set -uf
umask 077
export LC_ALL=C
PATH="${PATH:-}:/usr/bin:/bin:/usr/sbin:/sbin"
# shellcheck disable=SC2048,SC2086 # however the arguments came, they are words
set -- $*

STEP="${1:-}"
[ "$#" -gt 0 ] && shift
DIR="" ID="" DAYS=7
for pair in "$@"; do
  case "$pair" in
    dir=*) DIR="${pair#*=}" ;;
    id=*) ID="${pair#*=}" ;;
    days=*) DAYS="${pair#*=}" ;;
  esac
done

say() {
  printf '\n{"bulkhead":1,"step":"%s","utc":"%s"%s}\n' "$STEP" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${1:+,$1}"
}

fail() { # WORD TEXT, both plain
  say "\"error\":\"$1\",\"detail\":\"$(printf '%s' "$2" | tr -cd 'A-Za-z0-9 ._:/-' | cut -c 1-300)\""
  exit 0
}

ours() {
  if [ -z "$DIR" ] && [ -n "$ID" ]; then DIR="/private/var/root/bulkhead-$ID"; fi
  [[ "$DIR" =~ ^/private/var/root/bulkhead-[0-9a-f]{16}$ ]] || fail arguments "not a folder of Bulkhead"
}

preflight() {
  local charge="null"
  case "$(pmset -g batt 2>/dev/null)" in
    *"Battery Power"*) charge="$(pmset -g batt | grep -Eo '[0-9]+%' | head -n 1 | tr -d '%')" ;;
  esac
  say "\"os\":\"macOS $(sw_vers -productVersion)\",\"build\":\"$(uname -r)\",\"arch\":\"$(uname -m)\",\
\"ram_kib\":$(($(sysctl -n hw.memsize) / 1024)),\"base\":\"/private/var/root\",\
\"free_kib\":$(room /private/var/root),\"battery\":${charge:-null},\"tools\":\"\",\"left\":\"\""
}

room() { # free KiB where a folder lies
  df -Pk "$1" 2>/dev/null | tail -n 1 | awk '{print $4}'
}

ended() { # PID: after 60 seconds kill it, with what it started
  local turn
  for ((turn = 0; turn < 60; turn++)); do
    kill -0 "$1" || return
    sleep 1
  done
  # shellcheck disable=SC2046 # words are meant to be split
  kill -KILL "$1" $(pgrep -P "$1")
}

add() { # NAME COMMAND...: keep the end of what a command prints, and note how far it came
  local name="$1" file="$DIR/bundle/$1" most=100000000 codes got free pid told=""
  shift
  free="$(room "$DIR")"
  if [ "${free:-0}" -lt $((most / 500)) ]; then # KiB: twice as much as it may take
    printf '%s: not asked for: the disk is short\n' "$name" >>"$DIR/bundle/commands.txt"
    return
  fi
  {
    "$@" </dev/null &
    pid=$!
    ended "$pid" >/dev/null &
    wait "$pid"
  } 2>/dev/null | tail -c "$most" >"$file"
  codes=("${PIPESTATUS[@]}")
  got="$(($(wc -c <"$file")))"
  [ "${codes[0]}" -ne 137 ] || told=", ended after 60 seconds: there is more"
  [ "$got" -lt "$most" ] || told="$told, which are the last ones"
  [ "${codes[1]}" -eq 0 ] || told="$told, not all could be written"
  printf '%s: exit code %s, %s bytes%s\n' "$name" "${codes[0]}" "$got" "$told" >>"$DIR/bundle/commands.txt"
  [ "$got" -gt 0 ] || rm -f "$file"
}

begin() {
  ours
  mkdir -m 700 "$DIR" 2>/dev/null || { [ -d "$DIR" ] && [ ! -L "$DIR" ]; } || fail folder "$DIR cannot be used"
  rm -rf -- "$DIR/bundle"
  mkdir "$DIR/bundle" || fail folder "$DIR cannot be written"
}

bundle() {
  local file="$DIR/$1.tar.gz"
  tar -C "$DIR/bundle" -czf "$file" . 2>/dev/null || fail disk "the collection cannot be packed"
  rm -rf -- "$DIR/bundle"
  say "\"dir\":\"$DIR\",\"path\":\"$file\",\"size\":$(stat -f %z "$file"),\"sha256\":\"$(shasum -a 256 "$file" | cut -c 1-64)\""
}

triage() {
  begin
  add time.txt date -u
  add sockets.txt netstat -anv
  add open-files.txt lsof -nP
  add processes.txt ps axo pid,ppid,uid,lstart,stat,args
  add arp.txt arp -an
  add routes.txt netstat -rn
  add extensions.txt kextstat
  add system-extensions.txt systemextensionsctl list
  add jobs.txt launchctl list
  add logged-on.txt who -a
  bundle triage
}

logs() {
  begin
  add log.txt log show --style syslog --last "${DAYS}d" --predicate 'subsystem == "com.apple.securityd" OR process == "sshd" OR process == "sudo" OR process == "loginwindow"'
  add install.log cat /var/log/install.log
  add logons.txt last
  bundle logs
}

clean() {
  ours
  [ -L "$DIR" ] || rm -rf -- "$DIR"
  if [ -e "$DIR" ]; then say "\"clean\":false,\"left\":\"$DIR\""; else say "\"clean\":true,\"left\":\"\""; fi
}

case "$STEP" in
  preflight) preflight ;;
  triage) triage ;;
  logs) logs ;;
  clean) clean ;;
  *) fail arguments "no such step here: $STEP" ;;
esac
exit 0
