#!/usr/bin/env bash
# Searches a whole network (the macro space) on CIFAR-10 with the ENAS authors' published hyper-parameters
# (https://github.com/melodyguan/enas, scripts/cifar10_macro_search.sh; arXiv 1802.03268).
#
# Needs the data: python -m enas.data.download cifar10 (see data/README.md), and a GPU: 310 epochs, weeks on a CPU. Writes
# into outputs/macro_search_cifar10; the best arc is in best_arc.txt there. Run it again to resume. The arithmetic is the
# authors' float32; flags given to this script override the ones below, e.g. --child_scheme=k4. The authors' flags that
# their macro network does not read (auxiliary heads, drop path, cells, op_tanh_reduce) are left out.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_macro.py" \
    --dataset=cifar10 \
    --data_dir="$root/data/cifar10" \
    --output_dir="$root/outputs/macro_search_cifar10" \
    --child_scheme=fp32 \
    --batch_size=128 \
    --num_epochs=310 \
    --log_every=50 \
    --eval_every_epochs=1 \
    --child_num_layers=12 \
    --child_out_filters=36 \
    --nochild_double_filters \
    --child_l2_reg=0.00025 \
    --child_keep_prob=0.90 \
    --child_lr_cosine \
    --child_lr_max=0.05 \
    --child_lr_min=0.0005 \
    --child_lr_T_0=10 \
    --child_lr_T_mul=2 \
    --controller_search_whole_channels \
    --controller_entropy_weight=0.0001 \
    --controller_train_every=1 \
    --controller_num_aggregate=20 \
    --controller_train_steps=50 \
    --controller_lr=0.001 \
    --controller_tanh_constant=1.5 \
    --controller_skip_target=0.4 \
    --controller_skip_weight=0.8 \
    "$@"
