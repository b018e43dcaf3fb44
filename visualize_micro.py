"""Draws the normal and the reduction cell of a micro architecture, as .dot, .png and .svg files.

  python visualize_micro.py 1 2 1 3 0 1 ...          (the arc's integers)
  python visualize_micro.py "1 2 1 3 0 1 ..."
  python visualize_micro.py --arc_file=outputs/search/best_arc.txt

The arc has 4 integers a node (index_1 op_1 index_2 op_2), normal cell first: 40 for 5 nodes a cell. Below the cells
stands what the network costs. An --arc_file in a run directory brings the run's settings along; flags override them.
"""

from enas.commands import visualize

if __name__ == "__main__":
    visualize.run("micro")
