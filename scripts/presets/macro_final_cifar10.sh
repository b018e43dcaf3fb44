#!/usr/bin/env bash
# Trains one arc of the macro space from scratch on CIFAR-10 with the ENAS authors' published hyper-parameters
# (https://github.com/melodyguan/enas, scripts/cifar10_macro_final.sh; arXiv 1802.03268).
#
# Needs the data: python -m enas.data.download cifar10 (see data/README.md), and a GPU: days on one, out of reach of a
# CPU. The arc: --arc_file=FILE or --child_fixed_arc="0 3 0 ..."; by default the 24 layers the authors published. Writes
# into outputs/macro_final_cifar10. Run it again to resume. The arithmetic is the authors' float32; flags given to this
# script override the ones below, e.g. --child_scheme=k4.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

arc="0 3 0 0 1 0 2 0 0 1 2 0 0 0 0 3 1 1 0 1 0 2 0 0 0 0 0 1 2 0 1 1 0 1 1 1 1 0 1 1 1 0 1 0 1"
arc="$arc 0 0 0 0 0 0 0 0 0 0 2 0 0 0 0 0 1 0 0 0 0 0 1 0 0 1 1 0 0 0 0 1 1 2 0 1 0 0 0 0 0 1 0 1 1 0"
arc="$arc 1 0 0 1 0 0 0 1 1 1 0 1 0 1 0 1 1 0 1 0 1 0 0 0 0 0 1 0 0 2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1"
arc="$arc 2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0 2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1"
arc="$arc 3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0 3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1"
arc="$arc 0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0 3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0"
arc="$arc 0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0 0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"
if ! names_arc "$@"; then
    set -- --child_fixed_arc="$arc" "$@"
fi

exec "$python" "$root/train_fixed_arc.py" \
    --space=macro \
    --dataset=cifar10 \
    --data_dir="$root/data/cifar10" \
    --output_dir="$root/outputs/macro_final_cifar10" \
    --child_scheme=fp32 \
    --batch_size=100 \
    --num_epochs=310 \
    --log_every=50 \
    --eval_every_epochs=1 \
    --child_out_filters=96 \
    --child_double_filters \
    --child_l2_reg=2e-4 \
    --child_keep_prob=0.50 \
    --child_lr_cosine \
    --child_lr_max=0.05 \
    --child_lr_min=0.001 \
    --child_lr_T_0=10 \
    --child_lr_T_mul=2 \
    "$@"
