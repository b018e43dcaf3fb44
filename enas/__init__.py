"""Efficient neural architecture search (ENAS, arXiv 1802.03268) over quantized networks."""
