"""Draws a macro architecture, layer by layer, as .dot, .png and .svg files.

  python visualize_macro.py 0 3 0 0 1 0 ...          (the arc's integers)
  python visualize_macro.py "0  3 0  0 1 0 ..."
  python visualize_macro.py --arc_file=outputs/best_arc.txt

Layer i has its op (0 conv 3x3, 1 separable 3x3, 2 conv 5x5, 3 separable 5x5, 4 average pool, 5 max pool), then i - 1 skip
bits: 78 integers for 12 layers.
"""

from enas.commands import visualize

if __name__ == "__main__":
    visualize.run("macro")
