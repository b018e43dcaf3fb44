#!/usr/bin/env bash
# Searches a recurrent cell on the Penn Treebank with the ENAS authors' published hyper-parameters
# (https://github.com/melodyguan/enas, scripts/ptb_search.sh; arXiv 1802.03268).
#
# Needs the data: python -m enas.data.download ptb says where it comes from (see data/README.md), and a GPU or days on a
# CPU. Writes into outputs/rnn_search_ptb; the best arc is in best_arc.txt there. Run it again to resume. Flags given to
# this script override the ones below.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_rnn.py" \
    --dataset=ptb \
    --data_dir="$root/data/ptb" \
    --output_dir="$root/outputs/rnn_search_ptb" \
    --batch_size=20 \
    --num_epochs=100 \
    --log_every=50 \
    --eval_every_epochs=1 \
    --child_bptt_steps=35 \
    --child_rhn_depth=12 \
    --child_lstm_hidden_size=720 \
    --child_lstm_e_keep=0.75 \
    --child_lstm_x_keep=0.25 \
    --child_lstm_h_keep=0.75 \
    --child_lstm_o_keep=0.25 \
    --child_grad_bound=10.0 \
    --child_lr=0.25 \
    --child_lr_dec_start=12 \
    --child_lr_dec_every=1 \
    --child_lr_dec_rate=0.95 \
    --child_lr_dec_min=0.0005 \
    --child_l2_reg=1e-7 \
    --controller_train_every=1 \
    --controller_lr=0.001 \
    --controller_train_steps=100 \
    --controller_num_aggregate=10 \
    --controller_tanh_constant=2.5 \
    --controller_temperature=5.0 \
    --controller_entropy_weight=0.001 \
    "$@"
