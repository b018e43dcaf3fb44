"""Searches the recurrent space for a cell of a language model: a controller and a weight-shared child are trained in turn.

  python search_rnn.py --output_dir=outputs/search_rnn
  python search_rnn.py --dataset=folder --data_dir=my_text --output_dir=outputs/search_rnn

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from enas.commands import search

if __name__ == "__main__":
    search.run("rnn")
