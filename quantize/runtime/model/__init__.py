"""Whole networks: their operations, the file that holds them, and what runs them."""
