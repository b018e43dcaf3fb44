"""Which images are for training, validation and test: shares by name, draws that keep every class's share."""
