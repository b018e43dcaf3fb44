#!/usr/bin/env bash
# Trains one recurrent cell from scratch on the text of Python's own reference manual and reports its test perplexity.
#
# The arc: --arc_file=FILE or --child_fixed_arc="0 0 ..."; by default the best of scripts/rnn_search_pydoc.sh. An LSTM of
# the same size instead: --baseline=lstm. Takes about 5 minutes on 2 CPU cores. Writes into outputs/rnn_final_pydoc.
# Run it again to resume. Flags given to this script override the ones below.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

if ! names_arc "$@"; then
    set -- --arc_file="$root/outputs/rnn_search_pydoc/best_arc.txt" "$@"
fi

exec "$python" "$root/train_fixed_arc.py" \
    --space=rnn \
    --dataset=pydoc \
    --output_dir="$root/outputs/rnn_final_pydoc" \
    --batch_size=20 \
    --num_epochs=20 \
    --log_every=30 \
    --eval_every_epochs=4 \
    --child_bptt_steps=35 \
    --child_rhn_depth=6 \
    --child_lstm_hidden_size=128 \
    --child_lstm_e_keep=0.9 \
    --child_lstm_x_keep=0.7 \
    --child_lstm_h_keep=0.9 \
    --child_lstm_o_keep=0.7 \
    --child_lr=20 \
    --child_grad_bound=0.25 \
    --child_lr_dec_start=10 \
    --child_lr_dec_rate=0.8 \
    --child_average_start=12 \
    "$@"
