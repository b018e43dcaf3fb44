"""Draws a recurrent cell, as .dot, .png and .svg files.

  python visualize_rnn.py 0 0 0 1 1 2 1 ...          (the arc's integers)
  python visualize_rnn.py "0 0 0 1 1 2 1"
  python visualize_rnn.py --arc_file=outputs/search_rnn/best_arc.txt

The arc is the activation of node 0, then a source and an activation for each later node: 2N - 1 integers for N nodes.
"""

from enas.commands import visualize

if __name__ == "__main__":
    visualize.run("rnn")
