"""Trains one architecture from scratch and reports its accuracy and size.

  python train_fixed_arc.py --arc_file=outputs/search/best_arc.txt --output_dir=outputs/final
  python train_fixed_arc.py --space=macro --child_num_layers=4 --child_fixed_arc="0  3 0  1 0 1  5 0 0 1"
  python train_fixed_arc.py --output_dir=outputs/final --eval_only

--space says which search space the arc is of, and so which other flags there are: `--space=macro --helpfull` explains them.
Run it again with the same --output_dir to resume.
"""

from enas.commands import train_fixed_arc

if __name__ == "__main__":
    train_fixed_arc.run()
