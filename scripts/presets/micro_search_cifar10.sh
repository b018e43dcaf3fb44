#!/usr/bin/env bash
# Searches a pair of cells on CIFAR-10 with the ENAS authors' published hyper-parameters
# (https://github.com/melodyguan/enas, scripts/cifar10_micro_search.sh; arXiv 1802.03268), but for three of the
# controller: --controller_lr, --controller_tanh_constant and --controller_op_tanh_reduce are this project's, which were
# measured together with what else its controller has (docs/search.md). --controller_preset=authors gives the authors'
# controller as a whole.
#
# Needs the data: python -m enas.data.download cifar10 (see data/README.md), and a GPU: the authors took about half a
# day on one, a CPU takes weeks. Writes into outputs/micro_search_cifar10; the best arc is in best_arc.txt there. Run it
# again to resume. The arithmetic is the authors' float32; flags given to this script override the ones below, e.g.
# --child_scheme=k4.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_micro.py" \
    --dataset=cifar10 \
    --data_dir="$root/data/cifar10" \
    --output_dir="$root/outputs/micro_search_cifar10" \
    --child_scheme=fp32 \
    --batch_size=160 \
    --num_epochs=150 \
    --log_every=50 \
    --eval_every_epochs=1 \
    --child_use_aux_heads \
    --child_num_layers=6 \
    --child_out_filters=20 \
    --child_l2_reg=1e-4 \
    --child_num_cells=5 \
    --child_keep_prob=0.90 \
    --child_drop_path_keep_prob=0.60 \
    --child_lr_cosine \
    --child_lr_max=0.05 \
    --child_lr_min=0.0005 \
    --child_lr_T_0=10 \
    --child_lr_T_mul=2 \
    --controller_entropy_weight=0.0001 \
    --controller_train_every=1 \
    --controller_num_aggregate=10 \
    --controller_train_steps=30 \
    "$@"
