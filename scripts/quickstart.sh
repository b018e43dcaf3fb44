#!/usr/bin/env bash
# The whole way in one go, on scikit-learn's handwritten digits with 4-bit convolutions: searches a pair of cells,
# trains the best arc from scratch, prints its test accuracy and draws its cells.
#
# Takes 1 to 4 minutes on 2 CPU cores, after the first run has installed the environment. Every run writes into a new
# directory: outputs/quickstart-1, outputs/quickstart-2 and so on.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

shared=(--dataset=digits --child_scheme=k4 --batch_size=32 --child_drop_path_keep_prob=0.9)
search=(--child_num_layers=2 --child_out_filters=8 --num_epochs=10 --controller_train_steps=5)
final=(--child_num_layers=2 --child_out_filters=12 --num_epochs=15 --child_lr_T_0=15)

if (($#)); then
    die "unexpected argument '$1': scripts/quickstart.sh takes none (scripts/micro_search_digits.sh takes every flag)"
fi

# Makes the next free outputs/quickstart-N and puts its path into $out. mkdir fails if the directory exists, so that no
# two runs get the same one.
make_directory() {
    local n=1
    mkdir -p "$root/outputs"
    until mkdir "$root/outputs/quickstart-$n" 2>/dev/null; do
        [[ -e "$root/outputs/quickstart-$n" || -L "$root/outputs/quickstart-$n" ]] ||
            die "$root/outputs: can't make a directory in it"
        n=$((n + 1))
    done
    out="$root/outputs/quickstart-$n"
}

heading() {
    printf '\n== %s ==\n\n' "$1"
}

ensure_environment
make_directory
trap 'echo "error: the quickstart failed; what it wrote is in $out" >&2' ERR
seconds=$SECONDS

heading "1/3: searching a pair of cells (about 2 minutes)"
"$python" "$root/search_micro.py" "${shared[@]}" "${search[@]}" --output_dir="$out/search"

heading "2/3: training the best arc from scratch (about 1 minute)"
"$python" "$root/train_fixed_arc.py" "${shared[@]}" "${final[@]}" --arc_file="$out/search/best_arc.txt" \
    --output_dir="$out/final"

heading "3/3: drawing its cells"
"$python" "$root/visualize_micro.py" --arc_file="$out/search/best_arc.txt" --child_scheme=k4 --output_dir="$out/cells"

accuracy="$("$python" -c 'import json, sys; print(format(json.load(open(sys.argv[1]))["test_accuracy"], ".2%"))' \
    "$out/final/results.json")"

# Quoted for the shell, so that the commands below can be pasted.
py="$(printf '%q' "$python")"
home="$(printf '%q' "$root")"
run="$(printf '%q' "$out")"

heading "test accuracy of the 4-bit network found: $accuracy"
cat <<TEXT
Done in $((SECONDS - seconds)) seconds. Everything is in $out:
  search/best_arc.txt          the best arc, as integers
  search/stdout                the search's log; search/arcs.jsonl has every scored arc
  final/results.json           the trained network's accuracy and size
  cells/cells.png, cells.svg   its cells; normal_cell and reduction_cell also one by one

What to try next:
  evaluate the stored network again:
    $py $home/train_fixed_arc.py --eval_only --output_dir=$run/final
  watch the curves in a browser:
    $py -m tensorboard.main --logdir=$run
  a longer search on the digits, with other arithmetic:
    $home/scripts/micro_search_digits.sh --child_scheme=ternary --output_dir=$home/outputs/ternary
  MNIST:
    (cd $home && $py -m enas.data.download mnist) && $home/scripts/micro_search_mnist.sh
  every flag, explained:
    $py $home/search_micro.py --helpfull
TEXT
