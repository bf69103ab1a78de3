#!/bin/bash
# What Bulkhead does on a Linux device, one step to a call: STEP key=value ...
#
# The last line of a step's output is one line of JSON, ASCII only: {"bulkhead":1,"step":...}. With "error" the step
# could not be done, and says why in one word and a text. No step waits for more than a moment, but for `cut`, `triage`
# and `logs`, which are bounded by what they read. Values hold no blanks; no secret is among them.
#
#   preflight                                     what the device is, and where there is room
#   start   dir tool sha256 compress part reserve expire   check the tool, detach the capture
#   status  dir                                   how far it is; takes it up again after a restart of the device
#   cut     dir offset length count reserve       make parts to be fetched; what was made before is removed
#   triage  dir or id, expire                     what is volatile, without an image
#   logs    dir or id, days expire                journal and authentication logs
#   clean   dir or id                             end and remove everything, and look whether that worked
set -uf
umask 077
export LC_ALL=C
PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# shellcheck disable=SC2048,SC2086 # however the arguments came, they are words
set -- $*

STEP="${1:-}"
[ "$#" -gt 0 ] && shift
DIR="" ID="" TOOL="" SHA256="" COMPRESS=0 PART=536870912 RESERVE=0 EXPIRE=172800 OFFSET=0 LENGTH=0 COUNT=1 DAYS=7
for pair in "$@"; do
  value="${pair#*=}"
  case "$pair" in
    dir=*) DIR="$value" ;;
    id=*) ID="$value" ;;
    tool=*) TOOL="$value" ;;
    sha256=*) SHA256="$value" ;;
    compress=*) COMPRESS="$value" ;;
    part=*) PART="$value" ;;
    reserve=*) RESERVE="$value" ;;
    expire=*) EXPIRE="$value" ;;
    offset=*) OFFSET="$value" ;;
    length=*) LENGTH="$value" ;;
    count=*) COUNT="$value" ;;
    days=*) DAYS="$value" ;;
  esac
done

# --- words

text() { # a JSON string of the first 300 bytes: what is not plain ASCII is escaped, byte by byte
  local given="${1:0:300}" out="" char code place
  for ((place = 0; place < ${#given}; place++)); do
    char="${given:place:1}"
    case "$char" in
      [a-zA-Z0-9\ ._:/,\;=+@%\(\)-]) out+="$char" ;;
      *)
        printf -v code '%d' "'$char"
        printf -v char '\\u%04x' "$((code & 255))"
        out+="$char"
        ;;
    esac
  done
  printf '"%s"' "$out"
}

number() { # a JSON number, or null
  case "${1:-}" in
    "" | *[!0-9]*) printf 'null' ;;
    *) printf '%s' "$((10#$1))" ;;
  esac
}

say() { # the last line: members as they are written
  printf '\n{"bulkhead":1,"step":"%s","utc":"%s"%s}\n' "$STEP" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${1:+,$1}"
}

fail() { # WORD TEXT
  say "\"error\":\"$1\",\"detail\":$(text "$2")"
  exit 0
}

# --- facts

room() { # free KiB where a folder lies
  df -Pk "$1" 2>/dev/null | tail -n 1 | while read -r _ _ _ free _; do printf '%s' "$free"; done
}

in_memory() { # whether a folder lies in memory, where an image would destroy what it is to show
  case "$(stat -f -c %T "$1" 2>/dev/null)" in
    tmpfs | ramfs) return 0 ;;
    *) return 1 ;;
  esac
}

places() { # where a folder of ours may be
  printf '%s\n' "${HOME:-/root}" /var/tmp /opt
}

base() { # where to work: the home, which is private, unless another place has more room by a tenth
  local best="" most=-1 place free
  for place in $(places); do
    [ -d "$place" ] && [ -w "$place" ] || continue
    in_memory "$place" && [ "$most" -ge 0 ] && continue
    in_memory "$best" && most=-1
    free="$(room "$place")"
    case "$free" in "" | *[!0-9]*) continue ;; esac
    if [ "$most" -lt 0 ] || [ $((free * 10)) -gt $((most * 11)) ]; then
      best="$place"
      most="$free"
    fi
  done
  printf '%s' "$best"
}

battery() { # percent of the first battery that is being used up; nothing on a device without one
  local each
  for each in BAT0 BAT1 BAT2 CMB0; do
    case "$(cat "/sys/class/power_supply/$each/status" 2>/dev/null)" in
      Discharging) cat "/sys/class/power_supply/$each/capacity" 2>/dev/null && return ;;
    esac
  done
}

metered() {
  case "$(nmcli -t -f GENERAL.METERED device show 2>/dev/null)" in
    *METERED:yes*) printf 'true' ;;
    *METERED:no*) printf 'false' ;;
    *) printf 'null' ;;
  esac
}

lockdown() { # the level in brackets; nothing where the kernel has none
  local levels
  levels="$(cat /sys/kernel/security/lockdown 2>/dev/null)"
  levels="${levels#*\[}"
  printf '%s' "${levels%%\]*}"
}

sum() { # SHA-256 of a file
  sha256sum -- "$1" 2>/dev/null | cut -c 1-64
}

size() {
  stat -c %s -- "$1" 2>/dev/null || printf '0'
}

preflight() {
  local memory system place left="" each have=""
  memory="$(cat /proc/meminfo 2>/dev/null | while read -r name amount _; do [ "$name" = MemTotal: ] && printf '%s' "$amount"; done)"
  system="$(cat /etc/os-release 2>/dev/null | while IFS='=' read -r name value; do [ "$name" = PRETTY_NAME ] && printf '%s' "$value"; done)"
  place="$(base)"
  for each in systemd-run setsid sha256sum dd tee gzip tar split; do
    command -v "$each" >/dev/null 2>&1 && have="$have$each "
  done
  set +f
  for each in "${place:-/nonexistent}"/bulkhead-[0-9a-f]*; do
    [ -d "$each" ] && left="$left${each##*/} "
  done
  set -f
  say "\"os\":$(text "${system//\"/}"),\"build\":$(text "$(uname -r)"),\"arch\":$(text "$(uname -m)"),\
\"uid\":$(number "$(id -u)"),\"ram_kib\":$(number "$memory"),\"base\":$(text "$place"),\
\"free_kib\":$(number "$(room "${place:-/}")"),\"lockdown\":$(text "$(lockdown)"),\"battery\":$(number "$(battery)"),\
\"metered\":$(metered),\"tools\":$(text "${have% }"),\"left\":$(text "${left% }")"
}

# --- the capture

ours() { # refuse any folder but one of ours; without one it is the one with the id in its name, wherever that is
  local place
  for place in $(places); do
    [ -n "$DIR" ] || [ ! -d "$place/bulkhead-$ID" ] || DIR="$place/bulkhead-$ID"
  done
  [ -n "$DIR" ] || [ -z "$ID" ] || DIR="$(base)/bulkhead-$ID"
  [[ "$DIR" =~ ^/.*/bulkhead-[0-9a-f]{16}$ ]] || fail arguments "not a folder of Bulkhead's: $DIR"
  case "$DIR" in */../* | */./*) fail arguments "not a folder of Bulkhead's: $DIR" ;; esac
  # where everybody may write, whoever saw its name can make it again once it is gone: what lies there would be run
  [ -e "$DIR" ] || [ -L "$DIR" ] || return 0
  [ -d "$DIR" ] && [ ! -L "$DIR" ] && [ -O "$DIR" ] || fail folder "$DIR is somebody else's"
}

made() { # make the folder, or accept it where it is ours: never somebody's link
  mkdir -m 700 "$DIR" 2>/dev/null && return
  [ -d "$DIR" ] && [ ! -L "$DIR" ] && [ -O "$DIR" ] || fail folder "$DIR cannot be used"
}

put_file() { # where PutFile left a file with this name and hash
  local place
  for place in "$PWD" "${BASH_SOURCE[0]%/*}" "$PWD/.." "${BASH_SOURCE[0]%/*}/.." "${HOME:-/root}"; do
    if [ -f "$place/$1" ] && [ "$(sum "$place/$1")" = "$2" ]; then
      printf '%s' "$place/$1"
      return
    fi
  done
  find "$PWD" "${HOME:-/root}" /var/opt/microsoft /opt/microsoft -xdev -maxdepth 6 -type f -name "$1" 2>/dev/null |
    while read -r place; do
      if [ "$(sum "$place")" = "$2" ]; then
        printf '%s' "$place"
        break
      fi
    done
}

note() { # the status, written so that nobody reads half of it
  printf '%s' "$1" >"$DIR/status.new" && mv -f "$DIR/status.new" "$DIR/status"
}

alive() { # whether our worker runs
  local pid
  pid="$(cat "$DIR/pid" 2>/dev/null)"
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$DIR"
}

detach() { # STEP: start it so that it outlives this session: as a unit, in a session of its own, or in the background
  local words how turn
  words="$1 dir=$DIR tool=$TOOL sha256=$SHA256 compress=$COMPRESS part=$PART reserve=$RESERVE expire=$EXPIRE"
  rm -f "$DIR/pid"
  for how in collected unit session background; do # before systemd 236 a unit that was killed stays among the failed ones
    # shellcheck disable=SC2086 # words are meant to be split
    case "$how" in
      collected) systemd-run --collect --quiet --unit="${DIR##*/}-$RANDOM" --property=Nice=10 -- /bin/bash "$DIR/worker.sh" $words ;;
      unit) systemd-run --quiet --unit="${DIR##*/}-$RANDOM" --property=Nice=10 -- /bin/bash "$DIR/worker.sh" $words ;;
      session) setsid -f nice -n 10 /bin/bash "$DIR/worker.sh" $words ;;
      background) nohup /bin/bash "$DIR/worker.sh" $words & ;;
    esac </dev/null >/dev/null 2>&1 || continue
    for ((turn = 0; turn < 15; turn++)); do
      alive && return 0
      sleep 0.2
    done
  done
  return 1
}

state() { # one member of the status
  sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^,\"]*\\).*/\\1/p" "$DIR/status" 2>/dev/null
}

start() {
  local from
  ours
  made
  if [ -f "$DIR/status" ]; then # a session that came twice
    status
    return
  fi
  from="$(put_file "$TOOL" "$SHA256")"
  [ -n "$from" ] || fail tool "no $TOOL with the pinned hash was found on the device"
  { cp -f -- "$from" "$DIR/tool" && chmod 700 "$DIR/tool"; } || fail folder "$DIR cannot be written"
  [ "$(sum "$DIR/tool")" = "$SHA256" ] || fail tool "$TOOL has another hash than the pinned one"
  rm -f -- "$from"
  cp -f -- "${BASH_SOURCE[0]}" "$DIR/worker.sh" || fail folder "$DIR cannot be written"
  note '"state":"starting"'
  printf '%s' "tool=$TOOL sha256=$SHA256 compress=$COMPRESS part=$PART reserve=$RESERVE expire=$EXPIRE" >"$DIR/words"
  detach worker || fail detach "nothing on this device runs a command that outlives the session"
  status
}

capture() { # have the tool write the image; ends it where the disk gets short
  local pid words="acquire" free
  case "$("$DIR/tool" --version 2>/dev/null)" in *" 0."[0-9].* | *" 0.1"[0-8].*) words="" ;; esac  # as it was before 0.19
  [ "$COMPRESS" = 1 ] && words="$words --compress"
  rm -f "$DIR/image.part"
  # shellcheck disable=SC2086 # words are meant to be split
  "$DIR/tool" $words "$DIR/image.part" >"$DIR/tool.log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    note "\"state\":\"capturing\",\"bytes\":$(size "$DIR/image.part")"
    free="$(room "$DIR")"
    if [ "${free:-$RESERVE}" -lt "$RESERVE" ]; then
      kill -KILL "$pid" 2>/dev/null
      wait "$pid" 2>/dev/null
      broken disk "the disk was getting short, so the capture was ended"
    fi
    sleep 0.5
  done
  wait "$pid"
  CODE=$?
}

broken() { # WORD TEXT: say why there is no image, keep nothing of it, and wait to be cleaned up
  rm -f "$DIR/image.part" "$DIR/image"
  note "\"state\":\"failed\",\"error\":\"$1\",\"detail\":$(text "$2")"
  expire
  exit 0
}

log() { # the tool's own words, on one line
  tail -c 600 "$DIR/tool.log" 2>/dev/null | tr '\n\r\t' '   '
}

refused() { # sort out why the tool left no usable image
  local said
  said="$(log)"
  case "$said" in
    *[Ll]"ocked down"* | *lockdown*) broken lockdown "$said" ;;
    *"No space left"* | *"os error 28"* | *"File too large"*) broken disk "$said" ;;
    *) broken tool "$1 (exit code $CODE): $said" ;;
  esac
}

whole() { # walk a LiME image record by record: it has to end where a record ends
  local file="$1" at=0 end first last magic
  end="$(size "$file")"
  while [ "$at" -lt "$end" ]; do
    read -r magic _ < <(od -An -tx4 -j "$at" -N 8 "$file")
    read -r first last < <(od -An -tu8 -j "$((at + 8))" -N 16 "$file")
    [ "$magic" = 4c694d45 ] && [ -n "$last" ] && [ "$last" -ge "$first" ] || return 1
    at=$((at + 32 + last - first + 1))
  done
  [ "$at" -eq "$end" ]
}

judge() { # whether there is an image, by its size, its records, and the tool's words; an exit code alone decides nothing
  local file="$DIR/image.part" said
  said="$(log)"
  [ "$(size "$file")" -gt 4096 ] || refused "the tool wrote no image"
  case "$CODE $said" in 0\ *) ;; *[Ee]"rror"*) refused "the tool broke off" ;; esac
  case "$(od -An -tx4 -N 8 "$file" | tr -d ' ')" in
    4c694d4500000001) FORMAT=lime; whole "$file" || refused "the image is not whole" ;;
    4c4d564100000002) FORMAT=avml; [ "$CODE" -eq 0 ] || refused "the image may not be whole" ;;
    *) refused "what the tool wrote is no memory image" ;;
  esac
  mv -f "$file" "$DIR/image"
}

hash() { # SHA-256 of the image and of each of its parts, in one read
  local end at=0 length
  end="$(size "$DIR/image")"
  rm -f "$DIR/whole" "$DIR/parts"
  mkfifo "$DIR/pipe" 2>/dev/null
  sha256sum <"$DIR/pipe" | cut -c 1-64 >"$DIR/whole" &
  exec 5>"$DIR/pipe"
  while [ "$at" -lt "$end" ]; do
    length=$((end - at < PART ? end - at : PART))
    note "\"state\":\"hashing\",\"bytes\":$at,\"size\":$end"
    printf '%s %s %s\n' "$at" "$length" "$(piece "$at" "$length" | tee /dev/fd/5 | sha256sum | cut -c 1-64)" >>"$DIR/parts"
    at=$((at + length))
  done
  exec 5>&-
  wait $!
  rm -f "$DIR/pipe"
}

piece() { # OFFSET LENGTH of the image
  dd if="$DIR/image" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$1" count="$2" status=none
}

expire() { # nobody came for long: leave nothing behind
  local seen
  touch "$DIR/seen"
  while [ -d "$DIR" ]; do
    seen="$(stat -c %Y "$DIR/seen" 2>/dev/null)" || break
    if [ $(($(date +%s) - seen)) -gt "$EXPIRE" ]; then
      rm -rf -- "$DIR"
      break
    fi
    sleep 5
  done
}

worker() {
  ours
  printf '%s' "$$" >"$DIR/pid"
  CODE=0 FORMAT=""
  case "$(state state)" in starting) [ -f "$DIR/begun" ] && printf x >>"$DIR/interrupted" ;; capturing) printf x >>"$DIR/interrupted" ;; esac
  : >"$DIR/begun"
  if [ "$(state state)" != ready ] && [ "$(state state)" != failed ]; then
    if [ ! -f "$DIR/image" ]; then
      capture
      judge
    fi
    [ -n "$FORMAT" ] || case "$(od -An -tx4 -N 4 "$DIR/image" | tr -d ' ')" in 4c694d45) FORMAT=lime ;; *) FORMAT=avml ;; esac
    hash
    rm -f "$DIR/tool"
    note "\"state\":\"ready\",\"size\":$(size "$DIR/image"),\"sha256\":\"$(cat "$DIR/whole")\",\"format\":\"$FORMAT\",\
\"part\":$PART,\"boot\":\"$(boot)\",\"interrupted\":$(size "$DIR/interrupted"),\"log\":$(text "$(log)")"
  fi
  expire
}

forget() { # nothing but to wait whether somebody comes
  ours
  printf '%s' "$$" >"$DIR/pid"
  expire
}

boot() {
  cat /proc/sys/kernel/random/boot_id 2>/dev/null | tr -cd '0-9a-f-'
}

status() {
  local lives=true again=false
  ours
  [ -f "$DIR/status" ] || fail gone "$DIR is not there any more"
  touch "$DIR/seen"
  if ! alive; then
    lives=false
    # shellcheck disable=SC2046 # words are meant to be split
    if [ -f "$DIR/words" ]; then
      resume $(cat "$DIR/words") && lives=true again=true
    fi
  fi
  say "\"alive\":$lives,\"again\":$again,\"free_kib\":$(number "$(room "$DIR")"),$(cat "$DIR/status")"
}

resume() { # after a restart of the device: go on where the files are
  local pair
  for pair in "$@"; do
    case "$pair" in
      tool=*) TOOL="${pair#*=}" ;;
      sha256=*) SHA256="${pair#*=}" ;;
      compress=*) COMPRESS="${pair#*=}" ;;
      part=*) PART="${pair#*=}" ;;
      reserve=*) RESERVE="${pair#*=}" ;;
      expire=*) EXPIRE="${pair#*=}" ;;
    esac
  done
  detach worker
}

cut_parts() {
  local end turn at length file sums="" got known
  ours
  [ -f "$DIR/image" ] || fail gone "the image is not there any more"
  touch "$DIR/seen"
  end="$(size "$DIR/image")"
  set +f
  rm -f -- "$DIR"/part-*
  set -f
  for ((turn = 0; turn < COUNT; turn++)); do
    at=$((OFFSET + turn * LENGTH))
    [ "$at" -lt "$end" ] || break
    length=$((end - at < LENGTH ? end - at : LENGTH))
    if [ "$(room "$DIR")" -lt $((length / 1024 + 1 + RESERVE)) ]; then
      [ "$turn" -gt 0 ] && break
      fail disk "there is no room for a part of $length bytes"
    fi
    file="$DIR/part-$at-$length"
    got="$(piece "$at" "$length" | tee "$file" | sha256sum | cut -c 1-64)"
    [ "$(size "$file")" -eq "$length" ] || fail disk "a part of $length bytes cannot be written"
    known="$(sed -n "s/^$at $length //p" "$DIR/parts" 2>/dev/null)"
    [ -z "$known" ] || [ "$known" = "$got" ] || fail changed "the image is not what it was when it was hashed"
    sums="$sums${sums:+,}{\"offset\":$at,\"length\":$length,\"sha256\":\"$got\"}"
  done
  say "\"size\":$end,\"parts\":[$sums]"
}

# --- without an image

add() { # NAME COMMAND...: keep the end of what a command prints, and note how far it came
  local name="$1" file="$DIR/bundle/$1" most=100000000 codes got told=""
  shift
  mkdir -p "${file%/*}"
  if [ "$(room "$DIR")" -lt $((most / 500)) ]; then # KiB: twice as much as it may take
    printf '%s: not asked for: the disk is short\n' "$name" >>"$DIR/bundle/commands.txt"
    return
  fi
  timeout 60 "$@" 2>/dev/null </dev/null | tail -c "$most" >"$file"
  codes=("${PIPESTATUS[@]}")
  got="$(size "$file")"
  [ "${codes[0]}" -ne 124 ] || told=", ended after 60 seconds: there is more"
  [ "$got" -lt "$most" ] || told="$told, which are the last ones"
  [ "${codes[1]}" -eq 0 ] || told="$told, not all could be written"
  printf '%s: exit code %s, %s bytes%s\n' "$name" "${codes[0]}" "$got" "$told" >>"$DIR/bundle/commands.txt"
  [ "$got" -gt 0 ] || rm -f "$file"
}

bundle() { # pack what was added
  local file="$DIR/$1.tar.gz"
  if ! tar -C "$DIR/bundle" -czf "$file" . 2>/dev/null; then
    rm -rf -- "$DIR/bundle" "$file"
    fail disk "the collection cannot be packed"
  fi
  rm -rf -- "$DIR/bundle"
  alive || { cp -f -- "${BASH_SOURCE[0]}" "$DIR/worker.sh" && detach forget; }
  say "\"dir\":$(text "$DIR"),\"path\":$(text "$file"),\"size\":$(size "$file"),\"sha256\":\"$(sum "$file")\""
}

triage() {
  local pid each
  ours
  made
  rm -rf -- "$DIR/bundle"
  add time.txt date -u +%Y-%m-%dT%H:%M:%SZ
  add system.txt uname -a
  add uptime.txt cat /proc/uptime /proc/loadavg
  add sockets.txt ss -tupanO
  for each in tcp tcp6 udp udp6 raw unix arp route; do add "net/$each" cat "/proc/net/$each"; done
  add net/addresses.txt ip -d address
  add net/neighbours.txt ip neighbour
  add net/routes.txt ip route show table all
  add modules.txt cat /proc/modules
  add mounts.txt cat /proc/mounts
  add logged-on.txt who -a
  add logons.txt last -n 200 -F
  add processes.txt ps -eo pid,ppid,uid,lstart,stat,comm,args --no-headers
  for pid in $(ps -eo pid= | head -n 4000); do
    printf '%s %s\n' "$pid" "$(readlink "/proc/$pid/exe" 2>/dev/null)"
  done >"$DIR/exe" 2>/dev/null
  add programs.txt cat "$DIR/exe"
  add deleted-programs.txt grep -F "(deleted)" "$DIR/exe"
  rm -f "$DIR/exe"
  mkdir -p "$DIR/bundle/maps"
  for pid in $(ps -eo pid= | head -n 1000); do
    cat "/proc/$pid/maps" >"$DIR/bundle/maps/$pid" 2>/dev/null
  done
  bundle triage
}

logs() {
  local each
  ours
  made
  rm -rf -- "$DIR/bundle"
  add journal.txt journalctl --no-pager --utc -o short-iso --since "-${DAYS}d"
  for each in auth.log auth.log.1 secure syslog messages kern.log audit/audit.log cron; do
    add "log/$each" cat "/var/log/$each"
  done
  add logons.txt last -F
  add failed-logons.txt lastb -F
  bundle logs
}

running() { # the processes of our folder; a pattern that does not match the one who looks
  set +f
  grep -alE "${DIR##*/}/([w]orker\.sh|[t]ool)" /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3
  set -f
}

clean() {
  local pid left="" turn
  ours
  for ((turn = 0; turn < 20; turn++)); do
    for pid in $(running); do kill -KILL "$pid" 2>/dev/null; done
    [ -L "$DIR" ] || rm -rf -- "$DIR"
    [ -z "$(running)" ] && break
    sleep 0.1
  done
  [ -e "$DIR" ] && left="$DIR"
  pid="$(running | tr '\n' ' ')"
  [ -z "$pid" ] || left="$left processes $pid"
  say "\"clean\":$([ -z "$left" ] && printf true || printf false),\"left\":$(text "$left")"
}

case "$STEP" in
  preflight) preflight ;;
  start) start ;;
  worker) worker ;;
  forget) forget ;;
  status) status ;;
  cut) cut_parts ;;
  triage) triage ;;
  logs) logs ;;
  clean) clean ;;
  *) fail arguments "no such step: $STEP" ;;
esac
exit 0
