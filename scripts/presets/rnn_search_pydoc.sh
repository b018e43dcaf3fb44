#!/usr/bin/env bash
# Searches a recurrent cell of a small language model on the text of Python's own reference manual; needs no data.
#
# Takes about 5 minutes on 2 CPU cores. Writes into outputs/rnn_search_pydoc; the best arc is in best_arc.txt there.
# Run it again to resume. Flags given to this script override the ones below.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

exec "$python" "$root/search_rnn.py" \
    --dataset=pydoc \
    --output_dir="$root/outputs/rnn_search_pydoc" \
    --batch_size=20 \
    --num_epochs=8 \
    --log_every=30 \
    --eval_every_epochs=8 \
    --eval_arc_batches=5 \
    --child_bptt_steps=35 \
    --child_rhn_depth=6 \
    --child_lstm_hidden_size=128 \
    --child_lstm_e_keep=0.9 \
    --child_lstm_x_keep=0.8 \
    --child_lstm_h_keep=0.9 \
    --child_lstm_o_keep=0.8 \
    --child_lr=2 \
    --child_grad_bound=1.0 \
    --child_lr_dec_start=5 \
    --child_lr_dec_rate=0.8 \
    --controller_lr=0.01 \
    --controller_temperature=1.0 \
    --controller_train_steps=20 \
    "$@"
