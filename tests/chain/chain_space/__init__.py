"""A search space of chains: every layer chooses one of three ops."""
