"""Pictures of arcs: the layout of a graph, and its files."""
