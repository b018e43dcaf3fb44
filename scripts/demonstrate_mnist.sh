#!/usr/bin/env bash
# Shows on MNIST what a search of cells and precisions is worth: three searches under a cost budget, each evaluated against
# random arcs, then the trade-off of accuracy against cost.
#
# Needs the data: python -m enas.data.download mnist (see data/README.md), or --data_dir=DIR. Takes some hours on 2 CPU
# cores; run it again to resume. Writes into outputs/demonstration: search-SEED/evaluation/report.html, sweep/pareto.png.
# SMALL=1 does all of it on the 1,797 digits with tiny children, in minutes, to see that it works. Flags given to this
# script go to every step.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ensure_environment

out="$root/outputs/demonstration"
search=(--child_scheme=k4 --search_precision=binary,ternary,k4,k8 --child_num_layers=2 --child_drop_path_keep_prob=1.0
    --cost=bitops --log_every=100 --eval_every_epochs=100)
if [[ -n "${SMALL:-}" ]]; then
    out="$root/outputs/demonstration_small"
    search+=(--dataset=digits --max_train_images=320 --child_out_filters=4 --child_num_cells=2 --num_epochs=2
        --controller_train_steps=5 --controller_num_aggregate=4)
    target=8.2e6 targets=8e6,9e6 arcs=4 seeds=1 candidates=10 finalists=3 epochs=1
else
    search+=(--dataset=mnist --data_dir="$root/data/mnist" --max_train_images=10000 --max_valid_images=1000
        --child_out_filters=8 --batch_size=64 --num_epochs=12 --child_lr_T_0=12 --controller_warmup_epochs=4
        --eval_arc_batches=4)
    target=2.5e8 targets=2.3e8,2.6e8,3e8 arcs=20 seeds=3 candidates=200 finalists=20 epochs=3
fi

for seed in 0 1 2; do
    "$python" "$root/search_micro.py" "${search[@]}" --seed="$seed" --cost_target="$target" \
        --output_dir="$out/search-$seed" "$@"
    "$python" "$root/evaluate_search.py" --search_dir="$out/search-$seed" --num_arcs="$arcs" --num_seeds="$seeds" \
        --num_candidates="$candidates" --num_finalists="$finalists" --num_epochs="$epochs"
done
"$python" "$root/scripts/pareto_sweep.py" "${search[@]}" --cost_targets="$targets" --num_candidates="$candidates" \
    --num_seeds=1 --arcs_per_target=4 --final_epochs="$epochs" --output_dir="$out/sweep" "$@"
echo "The reports: $out/search-*/evaluation/report.html, $out/sweep/pareto.png"
