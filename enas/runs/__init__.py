"""Runs: a search or a training, its loop, its directory, its checkpoints, how it is resumed."""
