# SPDX-License-Identifier: MIT
# What a smoke test is written in. A test is a function test_NAME, run in a subshell and a directory of its own:
#   vm ARG...              start microvm; its output goes to the file console, its standard input comes from `send`
#   expect TEXT [SECONDS]  wait until the console shows it, after what was expected before
#   send TEXT              type it
#   ended CODE [SECONDS]   wait for microvm's end with this exit status
#   running                it has not ended
#   ctl COMMAND...         ask it by its control socket, named socket
#   fail WHY, skip WHY     end the test
# shellcheck shell=bash
export LC_ALL=C # count bytes
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() { echo "$*" >why; exit 1; }
skip() { echo "$*" >why; exit 77; }

# read's time limit on a pipe that nobody writes to: a sleep without a process
nap() { read -rt "$1" <>nap || true; }

vm() {
	: >console
	mkfifo in nap 2>/dev/null || true
	[ -z "${said-}" ] || exec {said}<&-
	exec {in}<>in {said}<console
	unheard=
	"$MICROVM" "$@" <"${stdin:-in}" >>console 2>>errors {in}>&- {said}<&- &
	vm=$!
}
send() { printf '%s' "$1" >&"$in"; }
ctl() { "$MICROVM-ctl" socket "$@" 2>>refused || fail "microvm-ctl $*: $(tail -n 1 refused)"; }
running() { kill -0 "$vm" 2>/dev/null; }

# It looks ten times a second, without a process: to start one is dear in the lab.
expect() {
	local more before last='' limit=$((SECONDS + ${2:-180}))
	while :; do
		while IFS= read -rd '' -u "$said" more; do unheard+=$more; done # without its zeros
		unheard+=$more
		before=${unheard%%"$1"*}
		[ "$before" = "$unheard" ] || break
		[ -z "$last" ] || { code=0; wait "$vm" || code=$?; fail "ended with status $code before it said '$1'"; }
		running || last=1 # it may have said it in its last breath: look once more
		[ "$SECONDS" -lt "$limit" ] || fail "did not say '$1' within ${2:-180} s"
		nap 0.1
	done
	unheard=${unheard:${#before}+${#1}}
}

ended() {
	local code=0 limit=$((SECONDS + ${2:-120}))
	while running; do
		[ "$SECONDS" -lt "$limit" ] || fail "still running after ${2:-120} s, expected to end with status $1"
		nap 0.05
	done
	wait "$vm" || code=$?
	[ "$code" = "$1" ] || fail "ended with status $code, expected $1"
}

run_one() { # NAME: prints the verdict, leaves it in $SMOKE_OUT/verdicts/NAME/verdict
	local name=$1 dir=$work/$1 start=$EPOCHREALTIME code=0 took text verdict=fail
	mkdir "$dir"
	(
		cd "$dir" || exit 1
		trap '[ -z "${vm-}" ] || ! running || { kill -9 "$vm"; wait "$vm"; } 2>/dev/null' EXIT
		"test_${name//-/_}"
	) >"$dir/noise" 2>&1 || code=$?
	took=$(((${EPOCHREALTIME/./} - ${start/./}) / 100000))
	text=$(cat "$dir/why" 2>/dev/null || tail -n 1 "$dir/noise")
	case $code in
	0) verdict=ok; text="ok $name ($((took / 10)).$((took % 10)) s)" ;;
	77) verdict=skip; text="SKIP $name: $text" ;;
	*)
		cp "$dir/console" "$SMOKE_OUT/$name.console" 2>/dev/null
		dmesg >"$SMOKE_OUT/$name.dmesg" 2>/dev/null
		text="FAIL $name: $text"
		[ ! -s "$dir/errors" ] || text+=$'\n'$(tail -n 5 "$dir/errors" | sed 's/^/    ! /')
		[ ! -s "$dir/console" ] || text+=$'\n'$(tr -d '\r\000' <"$dir/console" | tail -n 15 | sed 's/^/    | /')
		;;
	esac
	echo $verdict >"$SMOKE_OUT/verdicts/$name/verdict"
	printf '%s\n' "$text"
}

run_all() { # NAME...: those that nobody else has begun, for several machines may share them out among themselves
	local jobs=${SMOKE_JOBS:-$(nproc)} name
	work=$(mktemp -d)
	trap 'trap "" TERM; kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
	for name in "$@"; do
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
		mkdir "$SMOKE_OUT/verdicts/$name" 2>/dev/null || continue
		run_one "$name" &
	done
	wait
}
