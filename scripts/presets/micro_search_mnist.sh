#!/usr/bin/env bash
# Searches a pair of cells with 4-bit convolutions on a part of MNIST: 10,000 training and 1,000 validation images.
#
# Needs the data: python -m enas.data.download mnist (see data/README.md). Takes about 3 minutes on 2 CPU cores. Writes
# into outputs/micro_search_mnist; the best arc is in best_arc.txt there. Run it again to resume. Flags given to this
# script override the ones below, e.g. --data_dir=DIR or --child_scheme=binary.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_micro.py" \
    --dataset=mnist \
    --data_dir="$root/data/mnist" \
    --output_dir="$root/outputs/micro_search_mnist" \
    --max_train_images=10000 \
    --max_valid_images=1000 \
    --child_scheme=k4 \
    --child_num_layers=2 \
    --child_out_filters=8 \
    --child_drop_path_keep_prob=1.0 \
    --child_lr_T_0=2 \
    --batch_size=32 \
    --num_epochs=2 \
    --eval_every_epochs=2 \
    --eval_arc_batches=16 \
    --controller_train_steps=10 \
    "$@"
