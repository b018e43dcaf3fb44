#!/usr/bin/env bash
# Trains one arc from scratch on CIFAR-10 with the ENAS authors' published hyper-parameters
# (https://github.com/melodyguan/enas, scripts/cifar10_micro_final.sh; arXiv 1802.03268).
#
# Needs the data: python -m enas.data.download cifar10 (see data/README.md), and a GPU: days on one, out of reach of a
# CPU. The arc: --arc_file=FILE or --child_fixed_arc="0 2 ..."; by default the one the authors published. Writes into
# outputs/micro_final_cifar10. Run it again to resume. The arithmetic is the authors' float32; flags given to this
# script override the ones below, e.g. --child_scheme=k4.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

arc="0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1"
arc="$arc 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
if ! names_arc "$@"; then
    set -- --child_fixed_arc="$arc" "$@"
fi

exec "$python" "$root/train_fixed_arc.py" \
    --dataset=cifar10 \
    --data_dir="$root/data/cifar10" \
    --output_dir="$root/outputs/micro_final_cifar10" \
    --child_scheme=fp32 \
    --batch_size=144 \
    --num_epochs=630 \
    --log_every=50 \
    --eval_every_epochs=1 \
    --child_use_aux_heads \
    --cutout_size=16 \
    --child_num_layers=15 \
    --child_out_filters=36 \
    --child_keep_prob=0.80 \
    --child_drop_path_keep_prob=0.60 \
    --child_l2_reg=2e-4 \
    --child_lr_cosine \
    --child_lr_max=0.05 \
    --child_lr_min=0.0001 \
    --child_lr_T_0=10 \
    --child_lr_T_mul=2 \
    "$@"
