#!/usr/bin/env bash
# Checks the format, lints and runs the tests (about a minute). Arguments go to pytest, e.g. -m slow or tests/micro.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ensure_environment

cd "$root"
"$python" -m ruff format --check .
"$python" -m ruff check .
"$python" -m pytest "$@"
