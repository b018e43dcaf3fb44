#!/usr/bin/env bash
# Shows on MNIST what a search of cells and precisions is worth: three searches under a cost budget, each evaluated against
# random arcs, and the trade-off of accuracy against cost.
#
# Needs the data: python -m enas.data.download mnist (see data/README.md), or --data_dir=DIR. Takes about 50 minutes on 2
# CPU cores, on which two of its seven jobs run at a time (WORKERS=N: N of them); run it again to resume. Writes into
# outputs/demonstration: search-SEED/evaluation/report.html, sweep/pareto.png, and what each job prints into JOB.log.
# SMALL=1 does all of it on the 1,797 digits with tiny children, in minutes, to see that it works. Flags given to this
# script go to every search and to the sweep.

set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../common.sh"
ensure_environment

# Images of half MNIST's size, cells of three nodes and four filters: children that learn in seconds, and differ.
out="$root/outputs/demonstration"
search=(--child_scheme=k4 --search_precision=binary,k4,k8 --child_num_layers=2 --child_out_filters=4
    --child_drop_path_keep_prob=1.0 --child_keep_prob=1.0 --cost=bitops --log_every=100 --eval_every_epochs=100)
if [[ -n "${SMALL:-}" ]]; then
    out="$root/outputs/demonstration_small"
    search+=(--dataset=digits --max_train_images=320 --child_num_cells=2 --num_epochs=2 --controller_train_steps=5
        --controller_num_aggregate=4)
    sweep=(--num_epochs=2)
    target=8.9e6 targets=8.7e6,9.7e6 arcs=4 seeds=1 candidates=10 finalists=3 short=1 epochs=1
else
    search+=(--dataset=mnist --data_dir="$root/data/mnist" --img_size=14 --max_train_images=4000 --max_valid_images=1000
        --max_test_images=4000 --child_num_cells=3 --batch_size=64 --num_epochs=48 --child_lr_T_0=48
        --controller_warmup_epochs=36 --controller_train_steps=40 --controller_batch_size=250)
    # Three searches in the time of one and a half.
    sweep=(--num_epochs=24 --child_lr_T_0=24 --controller_warmup_epochs=16 --controller_train_steps=60)
    target=2.92e7 targets=2.67e7,2.92e7,3.27e7 arcs=20 seeds=3 candidates=200 finalists=20 short=2 epochs=3
fi

# Prints a job: its name, what it comes after, and its program with flags.
job() {
    # Quotes that every shell knows; those of %q are bash's own.
    local quote="'\\''" words=("${@:2}")
    printf '%s:' "$1"
    printf " '%s'" "${words[@]//\'/"$quote"}"
    printf '\n'
}

# The three searches, each followed by its evaluation, and the sweep.
jobs() {
    local seed
    for seed in 0 1 2; do
        job "search-$seed" "$root/search_micro.py" "${search[@]}" --seed="$seed" --cost_target="$target" \
            --output_dir="$out/search-$seed" "$@"
    done
    job sweep "$root/scripts/experiments/pareto_sweep.py" "${search[@]}" "${sweep[@]}" --cost_targets="$targets" \
        --num_candidates="$candidates" --num_seeds=1 --arcs_per_target=4 --final_epochs="$epochs" --output_dir="$out/sweep" "$@"
    for seed in 0 1 2; do
        job "evaluation-$seed after search-$seed" "$root/evaluate_search.py" --search_dir="$out/search-$seed" \
            --output_dir="$out/search-$seed/evaluation" --num_arcs="$arcs" --num_seeds="$seeds" \
            --num_candidates="$candidates" --num_finalists="$finalists" --finalist_epochs="$short" --num_epochs="$epochs"
    done
}

mkdir -p "$out"
jobs "$@" >"$out/jobs.txt"
"$python" "$root/run_jobs.py" --jobs="$out/jobs.txt" --workers="${WORKERS:-2}"
echo "The reports: $out/search-*/evaluation/report.html, $out/sweep/pareto.png"
