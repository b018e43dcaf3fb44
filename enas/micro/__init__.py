"""The micro search space: a normal cell and a reduction cell that the whole network repeats (ENAS, section 2.4)."""
