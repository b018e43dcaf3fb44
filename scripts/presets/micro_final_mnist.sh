#!/usr/bin/env bash
# Trains one arc from scratch on a part of MNIST (10,000 training images), with 4-bit convolutions, and reports its
# accuracy on all test images.
#
# Needs the data: python -m enas.data.download mnist (see data/README.md). The arc: --arc_file=FILE or
# --child_fixed_arc="0 2 ..."; by default the best of scripts/micro_search_mnist.sh. Takes about 3 minutes on 2 CPU
# cores. Writes into outputs/micro_final_mnist. Run it again to resume. Flags given to this script override the ones
# below, e.g. --max_train_images=0 for all images.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

if ! names_arc "$@"; then
    set -- --arc_file="$root/outputs/micro_search_mnist/best_arc.txt" "$@"
fi

exec "$python" "$root/train_fixed_arc.py" \
    --dataset=mnist \
    --data_dir="$root/data/mnist" \
    --output_dir="$root/outputs/micro_final_mnist" \
    --max_train_images=10000 \
    --max_valid_images=1000 \
    --child_scheme=k4 \
    --child_num_layers=2 \
    --child_out_filters=16 \
    --child_drop_path_keep_prob=1.0 \
    --child_lr_T_0=4 \
    --batch_size=64 \
    --num_epochs=4 \
    --eval_every_epochs=4 \
    "$@"
