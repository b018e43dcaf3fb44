"""Trains one architecture from scratch and reports its accuracy and size. `python train_fixed_arc.py --help` says how."""

from enas.commands import train_fixed_arc

if __name__ == "__main__":
    train_fixed_arc.run()
