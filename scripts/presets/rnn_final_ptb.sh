#!/usr/bin/env bash
# Trains one recurrent cell from scratch on the Penn Treebank with the ENAS authors' published hyper-parameters
# (https://github.com/melodyguan/enas, scripts/ptb_final.sh; arXiv 1802.03268).
#
# Needs the data: python -m enas.data.download ptb says where it comes from (see data/README.md), and a GPU or weeks on a
# CPU. The arc: --arc_file=FILE or --child_fixed_arc="0 0 ..."; by default the one the authors published. Writes into
# outputs/rnn_final_ptb. Run it again to resume. Flags given to this script override the ones below, e.g.
# --child_average_start=500 for averaged SGD.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

if ! names_arc "$@"; then
    set -- --child_fixed_arc="0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1" "$@"
fi

exec "$python" "$root/train_fixed_arc.py" \
    --space=rnn \
    --dataset=ptb \
    --data_dir="$root/data/ptb" \
    --output_dir="$root/outputs/rnn_final_ptb" \
    --batch_size=64 \
    --num_epochs=2000 \
    --log_every=50 \
    --eval_every_epochs=1 \
    --child_bptt_steps=35 \
    --child_lstm_hidden_size=748 \
    --child_lstm_e_keep=0.79 \
    --child_lstm_x_keep=0.25 \
    --child_lstm_h_keep=0.75 \
    --child_lstm_o_keep=0.24 \
    --child_grad_bound=0.25 \
    --child_lr=20.0 \
    --child_lr_dec_start=14 \
    --child_lr_dec_every=1 \
    --child_lr_dec_rate=0.9991 \
    --child_lr_dec_min=0.001 \
    --child_rnn_slowness_reg=1e-3 \
    --child_l2_reg=5e-7 \
    "$@"
