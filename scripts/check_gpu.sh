#!/usr/bin/env bash
# Checks on this machine's GPU what can't be checked without one: that each scheme computes there what it computes on the
# CPU, a tiny search and whether it repeats bit for bit, the times and the memory of a float32 and of a float16 step.
#
# Takes a few minutes. Writes check_gpu.json into the repository's root, or the file that --json names. Exit code 1: a check
# failed; 3: TensorFlow sees no GPU. Its CUDA libraries: .venv/bin/python -m pip install 'tensorflow[and-cuda]==2.21.0'

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ensure_environment

exec "$python" "$root/scripts/gpu/check_gpu.py" --json="$root/check_gpu.json" "$@"
