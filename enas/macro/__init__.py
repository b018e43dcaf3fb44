"""The macro search space: a whole network, layer by layer, with skip connections (ENAS, arXiv 1802.03268, 2.3)."""
