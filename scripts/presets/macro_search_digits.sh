#!/usr/bin/env bash
# Searches a whole network (the macro space) with 4-bit convolutions on scikit-learn's handwritten digits.
#
# Takes a few minutes on 2 CPU cores. Writes into outputs/macro_search_digits; the best arc is in best_arc.txt there. Run it
# again to resume. Flags given to this script override the ones below, e.g. --child_scheme=ternary.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_macro.py" \
    --dataset=digits \
    --output_dir="$root/outputs/macro_search_digits" \
    --child_scheme=k4 \
    --child_num_layers=6 \
    --child_out_filters=16 \
    --batch_size=32 \
    --num_epochs=30 \
    --controller_train_steps=10 \
    --controller_num_aggregate=10 \
    "$@"
