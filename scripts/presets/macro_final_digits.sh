#!/usr/bin/env bash
# Trains one arc of the macro space from scratch on scikit-learn's handwritten digits, with 4-bit convolutions, and reports
# its test accuracy.
#
# The arc: --arc_file=FILE or --child_fixed_arc="0 3 0 ..."; by default the best of scripts/macro_search_digits.sh. Takes a
# few minutes on 2 CPU cores. Writes into outputs/macro_final_digits. Run it again to resume. Flags given to this script
# override the ones below.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

if ! names_arc "$@"; then
    set -- --arc_file="$root/outputs/macro_search_digits/best_arc.txt" "$@"
fi

exec "$python" "$root/train_fixed_arc.py" \
    --space=macro \
    --dataset=digits \
    --output_dir="$root/outputs/macro_final_digits" \
    --child_scheme=k4 \
    --child_out_filters=32 \
    --batch_size=32 \
    --num_epochs=30 \
    "$@"
