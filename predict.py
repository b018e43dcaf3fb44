"""Classifies images with a trained child. `python predict.py --help` says how."""

from enas.commands import predict

if __name__ == "__main__":
    predict.run()
