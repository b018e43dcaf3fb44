"""Texts for language models: token ids of three splits and the vocabulary. Nothing here imports TensorFlow.

A text is a folder with `train.txt`, `valid.txt` and `test.txt` (or the same names without `.txt`): one sentence a line,
words separated by blanks, as in the Penn Treebank of Mikolov et al. (2010). The end of each line is the word `<eos>`;
`<unk>` stands for unknown words. The default needs no file: Python's own reference manual, as `pydoc_data.topics` holds it.
"""

import dataclasses
import itertools
import os
import re
from collections import Counter

import numpy as np

from enas.data.source import existing_dir
from enas.errors import UserError

EOS, UNK = "<eos>", "<unk>"
SPLITS = ("train", "valid", "test")
# Of the manual: rarer words of the training split are <unk>; each tenth block of sentences is a split of its own.
_RAREST, _BLOCK = 2, 25
_TOKEN = re.compile(r"[a-z_]+|[0-9]+|([^a-z0-9_\s])\1*")


@dataclasses.dataclass(frozen=True, eq=False)
class Text:
    """A text ready for use.

    Attributes:
      train, valid, test: int32 [L], token ids in the order of the text, each line's `<eos>` included.
      words: tuple of str, the vocabulary; a token's id is its position. By falling frequency in train, then by spelling.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    words: tuple

    @property
    def eos(self):
        """int, the id of `<eos>`."""
        return self.words.index(EOS)


def load(config):
    """Reads a text.

    Args:
      config: a `enas.rnn.config.DataConfig`.

    Raises:
      UserError: a file that is missing, empty or no UTF-8 text; a word of valid or test that train lacks, where train
        has no `<unk>` either.
    """
    if config.dataset == "pydoc":
        sentences, where = _manual(), dict.fromkeys(SPLITS, "pydoc")
    else:
        sentences, where = _folder(config)
    counts = Counter(itertools.chain.from_iterable(sentences["train"]))
    words = tuple(sorted(counts, key=lambda word: (-counts[word], word)))
    ids = {word: number for number, word in enumerate(words)}
    limits = {name: getattr(config, f"max_{name}_tokens") for name in SPLITS}
    splits = {name: _encoded(sentences[name], ids, where[name], limits[name]) for name in SPLITS}
    return Text(**splits, words=words)


def _encoded(sentences, ids, where, limit):
    """Token ids of a split, int32 [L], at most `limit` (0: all)."""
    unknown = ids.get(UNK)
    tokens = []
    for number, sentence in enumerate(sentences, 1):
        if limit and len(tokens) >= limit:
            break
        for word in sentence:
            token = ids.get(word, unknown)
            if token is None:
                raise UserError(
                    f"{where}: line {number}: the word {word[:40]!r} is not in the training text, which has no {UNK} "
                    f"either; expected words of the training text, or {UNK} in it"
                )
            tokens.append(token)
    return np.array(tokens[: limit or None], np.int32)


def _folder(config):
    """The sentences of a folder's three files, and their names: two dicts by split."""
    expected = "a folder with train.txt, valid.txt and test.txt, one sentence a line"
    data_dir = config.data_dir or f"data/{config.dataset}"
    if config.dataset == "ptb" and not os.path.isdir(data_dir):
        expected += " (python -m enas.data.download ptb says where the Penn Treebank comes from)"
    folder = existing_dir(data_dir, expected)
    where = {}
    for name in SPLITS:
        where[name] = next((folder / n for n in (f"{name}.txt", name) if os.path.isfile(folder / n)), None)
        if where[name] is None:
            raise UserError(f"--data_dir={folder}: neither {name}.txt nor {name} in it; expected {expected}")
    return {name: _read(path) for name, path in where.items()}, where


def _read(path):
    """The sentences of a file: a list of lists of words, each with its `<eos>`."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors put a byte order mark first
            lines = [line.split() for line in file]
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; expected one sentence a line") from None
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from None
    if not any(lines):
        raise UserError(f"{path}: no words in it; expected one sentence a line")
    return [words if words[-1:] == [EOS] else [*words, EOS] for words in lines]


def _manual():
    """The sentences of the reference manual, by split; those that several of its topics share are kept once."""
    from pydoc_data.topics import topics

    paragraphs = (text for topic in sorted(topics) for text in re.split(r"\n\s*\n", topics[topic].lower()))
    sentences = {}
    for paragraph in paragraphs:
        for text in re.split(r"(?<=[.!?:])\s", " ".join(paragraph.split())):
            # Numbers are N, as in the Penn Treebank; a run of one punctuation mark is one word.
            words = tuple("N" if match[0].isdigit() else match[0] for match in _TOKEN.finditer(text))
            if words:
                sentences[*words, EOS] = True
    splits = {name: [] for name in SPLITS}
    for number, sentence in enumerate(sentences):
        splits[{8: "valid", 9: "test"}.get(number // _BLOCK % 10, "train")].append(sentence)
    counts = Counter(itertools.chain.from_iterable(splits["train"]))
    splits["train"] = [[word if counts[word] >= _RAREST else UNK for word in s] for s in splits["train"]]
    return splits
