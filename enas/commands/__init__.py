"""What the programs run: flags in, one-line errors and exit codes out."""
