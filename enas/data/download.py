"""Fetches MNIST, Fashion-MNIST or CIFAR-10: python -m enas.data.download <data set> [--data_dir DIR]

Files are checked against their published MD5 sums. Run it again to resume an interrupted download.
"""

import argparse
import contextlib
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tqdm import tqdm

from enas.data.readers import cifar
from enas.errors import UserError

BASE_URLS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/",
}
FILES = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    "cifar10": {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
}
# The treebank is the Linguistic Data Consortium's and may not be passed on, so nothing is fetched.
PTB = """The Penn Treebank (LDC99T42) is licensed by the Linguistic Data Consortium: https://catalog.ldc.upenn.edu/LDC99T42
Language models are compared on the text of Mikolov et al. (2010), 929,589 training tokens of 10,000 words: ptb.train.txt,
ptb.valid.txt and ptb.test.txt in the folder data/ of simple-examples.tgz, which its author offers at
http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz
Put them into {folder} as train.txt, valid.txt and test.txt; then --dataset=ptb --data_dir={folder} reads them.
Any other text works with --dataset=folder; the default, --dataset=pydoc, needs no file."""
TIMEOUT = 30  # seconds without a byte
_BLOCK = 2**18


def fetch(dataset: str, directory: str | Path, base_url: str | None = None) -> None:
    """Puts a data set's files into a folder, where `enas.data.load` finds them. Good files that exist are kept.

    Args:
      dataset: "mnist", "fashion_mnist" or "cifar10".
      directory: the folder, which is made if it does not exist.
      base_url: where the files are fetched from instead of the data set's own server; it ends in "/".

    Raises:
      UserError: the server cannot be reached, what it sends has the wrong MD5, or the folder cannot be written.
    """
    directory = Path(directory)
    if dataset == "cifar10" and os.path.isdir(directory / cifar.NAME):
        print(f"{directory / cifar.NAME}: already there")
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, md5 in FILES[dataset].items():
            fetch_file((base_url or BASE_URLS[dataset]) + name, directory / name, md5)
            if dataset == "cifar10":
                extract_cifar(directory / name)
    except OSError as error:
        raise UserError(
            f"{error.filename or directory}: {error.strerror or error}; expected --data_dir to be writable"
        ) from None


def fetch_file(url: str, path: Path, md5: str) -> None:
    """Downloads one file as FILE.part, and renames it once its MD5 is right. A FILE.part that is there is resumed.

    Args:
      url: where the file is fetched from.
      path: FILE.
      md5: the published sum, hexadecimal.

    Raises:
      UserError: there is no connection, or it broke (FILE.part is kept), or the MD5 is wrong (FILE.part is deleted).
      OSError: the file cannot be written.
    """
    if os.path.isfile(path):
        if _md5(path) == md5:
            print(f"{path}: already there")
            return
        print(f"{path}: MD5 is not the published {md5}; fetching it anew")
    part = path.with_name(path.name + ".part")
    while True:
        resumed = _stream(url, part, path)
        found = _md5(part)
        if found == md5:
            os.replace(part, path)
            print(f"{path}: fetched, MD5 {md5}")
            return
        part.unlink()
        if not resumed:
            raise UserError(f"{url}: MD5 {found}; expected {md5}; deleted {part}")
        print(f"{part}: MD5 {found} after resuming, expected {md5}; deleted it, starting over")


def extract_cifar(archive: Path) -> None:
    """Extracts the official batches from the tar file into its own folder. Other members stay in the tar file.

    Raises:
      UserError: the file is not the official archive.
      OSError: the folder cannot be written.
    """
    target = archive.parent / cifar.NAME
    names = (*cifar.BATCHES, "test_batch", "batches.meta")
    wanted = {f"{cifar.NAME}/{name}" for name in names}
    temporary = archive.parent / (cifar.NAME + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.name in wanted and member.isfile() and member.size <= cifar.MAX_BATCH_BYTES:
                    tar.extract(member, temporary, filter="data")
                    wanted.remove(member.name)
        if wanted:
            raise UserError(f"{archive}: no {min(wanted)} in it; expected the official CIFAR-10 archive")
        # It is renamed when it is complete, so that a folder of this name is always whole.
        os.replace(temporary / cifar.NAME, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{archive}: damaged ({error}); expected the official CIFAR-10 archive") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"{target}: extracted")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m enas.data.download", description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=(*FILES, "ptb"), help="ptb: says where its licensed data comes from")
    parser.add_argument("--data_dir", help="folder the files go to (default: data/<data set>)")
    args = parser.parse_args(argv)
    if args.dataset == "ptb":
        print(PTB.format(folder=args.data_dir or "data/ptb"))
        return 0
    try:
        fetch(args.dataset, args.data_dir or f"data/{args.dataset}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command resumes", file=sys.stderr)
        return 130
    return 0


def _stream(url: str, part: Path, path: Path) -> bool:
    """Appends what is missing to `part`, and returns whether bytes that were there before are kept."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with contextlib.ExitStack() as stack:
        try:
            response = stack.enter_context(urllib.request.urlopen(request, timeout=TIMEOUT))
        except urllib.error.HTTPError as error:
            if error.code == 416 and start:  # nothing is missing; the MD5 tells whether it is the right file
                return True
            raise _unreachable(url, path, f"{error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(url, path, getattr(error, "reason", error)) from None
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 206 and not resumed:
            raise _unreachable(url, path, "the server sent another part of the file than asked for")
        start = start if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        with open(part, "ab" if resumed else "wb") as file:
            _copy(url, response, file, start, total)
    return resumed


def _copy(url: str, response: IO[bytes], file: IO[bytes], start: int, total: int | None) -> None:
    """Copies the response into the file, with a progress bar. If the connection breaks, what came stays in the file."""
    done = start
    with tqdm(
        desc=url.rsplit("/", 1)[-1], initial=start, total=total, unit="B", unit_scale=True, disable=None
    ) as progress:
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise UserError(f"{url}: connection lost after {done:,} bytes ({error}); run again to resume") from None
            if not block:
                break
            file.write(block)
            done += len(block)
            progress.update(len(block))
    if total is not None and done < total:
        raise UserError(f"{url}: connection lost after {done:,} of {total:,} bytes; run again to resume")


def _unreachable(url: str, path: Path, reason: object) -> UserError:
    words = " ".join(str(reason).split())
    return UserError(f"{url}: cannot be fetched ({words}); without a network, put the file at {path} by hand")


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
