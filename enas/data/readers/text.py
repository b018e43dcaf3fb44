"""Texts for language models: token ids of three splits and the vocabulary. Nothing here imports TensorFlow.

A text is a folder with `train.txt`, `valid.txt` and `test.txt` (or the same names without `.txt`). Each line is a sentence,
and blanks separate words, as in the Penn Treebank of Mikolov et al. (2010). The end of each line is the word `<eos>`;
`<unk>` stands for unknown words. The default is Python's own reference manual, as `pydoc_data.topics` holds it, and needs no
file.
"""

import dataclasses
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from enas.data.source import existing_dir
from enas.errors import UserError

EOS, UNK = "<eos>", "<unk>"
SPLITS = ("train", "valid", "test")
_RAREST = 2  # of the manual: words that its training split has less often than this are <unk>
_BLOCK = 25  # of the manual: sentences of a block; of ten blocks, one is for validation and one for the test
_TOKEN = re.compile(r"[a-z_]+|[0-9]+|([^a-z0-9_\s])\1*")


class Settings(Protocol):
    """What `load` takes from the settings of a run.

    Attributes:
      dataset: "pydoc", "ptb" or "folder".
      data_dir: the folder of the text; "" for data/<dataset>.
      max_train_tokens, max_valid_tokens, max_test_tokens: how many tokens of each split are kept; 0 for all.
    """

    @property
    def dataset(self) -> str: ...

    @property
    def data_dir(self) -> str: ...

    @property
    def max_train_tokens(self) -> int: ...

    @property
    def max_valid_tokens(self) -> int: ...

    @property
    def max_test_tokens(self) -> int: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Text:
    """A text ready for use.

    Attributes:
      train, valid, test: int32 `[L]`, token ids in the order of the text, each line's `<eos>` included.
      words: the vocabulary, by falling frequency in train, then by spelling. A token's id is its position.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    words: tuple[str, ...]

    @property
    def eos(self) -> int:
        """The id of `<eos>`."""
        return self.words.index(EOS)


def load(config: Settings) -> Text:
    """Reads a text.

    Raises:
      UserError: a file is missing, empty or no UTF-8 text, or a word of valid or test is not in train, and no `<unk>` is.
    """
    sentences: Mapping[str, Sequence[Sequence[str]]]
    where: Mapping[str, str | Path]
    if config.dataset == "pydoc":
        sentences, where = _manual(), dict.fromkeys(SPLITS, "pydoc")
    else:
        sentences, where = _folder(config)
    counts = Counter(itertools.chain.from_iterable(sentences["train"]))
    words = tuple(sorted(counts, key=lambda word: (-counts[word], word)))
    ids = {word: number for number, word in enumerate(words)}
    limits = {name: getattr(config, f"max_{name}_tokens") for name in SPLITS}
    splits = {name: _encoded(sentences[name], ids, where[name], limits[name]) for name in SPLITS}
    return Text(splits["train"], splits["valid"], splits["test"], words)


def _encoded(sentences: Iterable[Sequence[str]], ids: Mapping[str, int], where: str | Path, limit: int) -> np.ndarray:
    """Returns the token ids of a split, int32 `[L]`, at most `limit` of them (0: all)."""
    unknown = ids.get(UNK)
    tokens: list[int] = []
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


def _folder(config: Settings) -> tuple[dict[str, list[list[str]]], dict[str, Path]]:
    """Returns {split: its sentences} and {split: its file}."""
    expected = "a folder with train.txt, valid.txt and test.txt, one sentence a line"
    data_dir = config.data_dir or f"data/{config.dataset}"
    if config.dataset == "ptb" and not os.path.isdir(data_dir):
        expected += " (python -m enas.data.download ptb says where the Penn Treebank comes from)"
    folder = existing_dir(data_dir, expected)
    where = {}
    for name in SPLITS:
        path = next((folder / n for n in (f"{name}.txt", name) if os.path.isfile(folder / n)), None)
        if path is None:
            raise UserError(f"--data_dir={folder}: neither {name}.txt nor {name} in it; expected {expected}")
        where[name] = path
    return {name: _read(path) for name, path in where.items()}, where


def _read(path: Path) -> list[list[str]]:
    """Returns the sentences of a file, each a list of words that ends in `<eos>`."""
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


def _manual() -> dict[str, list[Sequence[str]]]:
    """Returns {split: its sentences} of the reference manual. A sentence that several topics share is kept once."""
    from pydoc_data.topics import topics

    paragraphs = (text for topic in sorted(topics) for text in re.split(r"\n\s*\n", topics[topic].lower()))
    sentences: dict[tuple[str, ...], None] = {}  # an ordered set
    for paragraph in paragraphs:
        for text in re.split(r"(?<=[.!?:])\s", " ".join(paragraph.split())):
            # A number is the word N, as in the Penn Treebank. A run of one punctuation mark is one word.
            words = tuple("N" if match[0].isdigit() else match[0] for match in _TOKEN.finditer(text))
            if words:
                sentences[*words, EOS] = None
    splits: dict[str, list[Sequence[str]]] = {name: [] for name in SPLITS}
    for number, sentence in enumerate(sentences):
        splits[{8: "valid", 9: "test"}.get(number // _BLOCK % 10, "train")].append(sentence)
    counts = Counter(itertools.chain.from_iterable(splits["train"]))
    splits["train"] = [[word if counts[word] >= _RAREST else UNK for word in s] for s in splits["train"]]
    return splits
