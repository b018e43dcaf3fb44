"""Evaluates a finished search: its arcs against random ones, its shared weights against training from scratch.

  python evaluate_search.py --search_dir=outputs/search --num_epochs=4

The controller's best arcs and as many uniformly random ones are trained from scratch alike, with several seeds. Writes
report.html, report.json and best_arc.txt into --output_dir, by default the folder `evaluation` of the search. Data and
child are the search's, but for flags that are given, e.g. --child_out_filters=16. Run it again to resume.
"""

from enas.commands import evaluate_search

if __name__ == "__main__":
    evaluate_search.run()
