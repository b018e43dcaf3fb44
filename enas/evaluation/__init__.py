"""What a finished search is worth: its arcs trained from scratch, compared, reported, and traded off against cost."""
