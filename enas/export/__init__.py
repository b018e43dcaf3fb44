"""Trained children outside TensorFlow: their operations, files of several formats, and the check of each file."""
