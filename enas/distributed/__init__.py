"""Synchronous training by several workers: collectives, agreement, and how the loss of a worker is noticed."""
