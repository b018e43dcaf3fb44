"""The search space of recurrent cells for language models (ENAS, arXiv 1802.03268, section 2.1)."""
