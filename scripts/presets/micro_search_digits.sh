#!/usr/bin/env bash
# Searches a pair of cells with 4-bit convolutions on scikit-learn's handwritten digits.
#
# Takes about 10 minutes on 2 CPU cores. Writes into outputs/micro_search_digits; the best arc is in best_arc.txt there.
# Run it again to resume. Flags given to this script override the ones below, e.g. --child_scheme=ternary.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_micro.py" \
    --dataset=digits \
    --output_dir="$root/outputs/micro_search_digits" \
    --child_scheme=k4 \
    --child_num_layers=3 \
    --child_out_filters=8 \
    --child_drop_path_keep_prob=0.9 \
    --batch_size=32 \
    --num_epochs=30 \
    --controller_train_steps=10 \
    "$@"
