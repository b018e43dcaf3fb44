#!/usr/bin/env bash
# Starts a program as N workers on this machine, which train together: one run, one run directory.
#
#   scripts/launch_local.sh 2 search_micro.py --dataset=digits --child_scheme=k4 --output_dir=outputs/search
#
# Each worker gets its share of the cores, where the system has taskset. What worker 1 and the following print comes with
# their number in front; worker 0, the chief, logs the run. Ctrl-C stops all of them after the same step.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

(($# >= 2)) || die "usage: scripts/launch_local.sh N PROGRAM [FLAGS], e.g. scripts/launch_local.sh 2 search_micro.py"
count="$1" program="$2"
shift 2
[[ "$count" =~ ^[1-9][0-9]{0,2}$ ]] || die "N is $count; expected a number of workers, 1 to 999"
case "$program" in
search_micro.py | search_macro.py | search_rnn.py | train_fixed_arc.py) ;;
*) die "the program is $program; expected search_micro.py, search_macro.py, search_rnn.py or train_fixed_arc.py" ;;
esac
for flag in "$@"; do
    case "$flag" in
    -worker_hosts* | --worker_hosts* | -task_index* | --task_index*) die "$flag: this script gives each worker its own" ;;
    esac
done
unset TF_CONFIG
ensure_environment
# The workers find the same files as this script's caller.
program="$root/$program"

# Prints N free addresses of this machine, then for each worker the cores that it gets, where there are any to divide.
plan="$(
    "$python" - "$count" <<'PYTHON'
import os, socket, sys
count = int(sys.argv[1])
sockets = [socket.socket() for _ in range(count)]
for found in sockets:
    found.bind(("127.0.0.1", 0))
print(",".join(f"127.0.0.1:{found.getsockname()[1]}" for found in sockets))
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
for worker in range(count):
    share = cores[worker * len(cores) // count : (worker + 1) * len(cores) // count]
    print(",".join(map(str, share or ([cores[worker % len(cores)]] if cores else []))))
PYTHON
)"
mapfile -t plan <<<"$plan"
pids=()

start() {
    local worker="$1" command=("$python" "$program" "${@:2}" "--worker_hosts=${plan[0]}" "--task_index=$1")
    local share="${plan[$((worker + 1))]:-}"
    if [[ -n "$share" ]] && command -v taskset >/dev/null; then
        command=(taskset --cpu-list "$share" "${command[@]}")
    fi
    if ((worker)); then
        "${command[@]}" > >(sed -u "s/^/[worker $worker] /") 2> >(sed -u "s/^/[worker $worker] /" >&2) &
    else
        "${command[@]}" &
    fi
    pids+=($!)
}

if ((count == 1)); then
    exec "$python" "$program" "$@"
fi
# Background jobs of a script ignore SIGINT; a monitor lets them have it.
set -m
trap 'kill -INT "${pids[@]}" 2>/dev/null' INT
trap 'kill -TERM "${pids[@]}" 2>/dev/null' TERM
for ((worker = 0; worker < count; worker++)); do
    start "$worker" "$@"
done
code=0
for pid in "${pids[@]}"; do
    while true; do
        ended=0
        wait "$pid" || ended=$?
        # A signal to this script ends the wait, but not the worker.
        kill -0 "$pid" 2>/dev/null || break
    done
    ((code)) || code=$ended
done
exit "$code"
