#!/usr/bin/env bash
# Checks the format, lints, checks the types and runs the tests (several minutes on 2 cores). Arguments go to pytest, e.g. -m slow or tests/micro.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ensure_environment

cd "$root"
"$python" -m ruff format --check .
"$python" -m ruff check .
"$python" -m mypy
# A worker for each core; tests of one file share what its fixtures built.
"$python" -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadscope "$@"
