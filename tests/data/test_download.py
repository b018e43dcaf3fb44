"""The downloader, against a server on this machine."""

import hashlib
import http.server
import io
import tarfile
import threading

import pytest
from data_files import write_cifar

from enas.data import download
from enas.data.readers import cifar
from enas.data.readers.images import Form
from enas.errors import UserError

CONTENT = bytes(range(256)) * 3000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; honours Range unless told not to, and can break off."""

    def do_GET(self):
        server, content = self.server, self.server.files.get(self.path.lstrip("/"))
        requested = self.headers.get("Range")
        server.requests.append((self.path, requested))
        if content is None:
            self.send_error(404)
            return
        start = 0
        if requested and server.ranges:
            start = int(requested.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : server.breaks_at])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    result.files, result.requests, result.ranges, result.breaks_at = {"file.gz": CONTENT}, [], True, None
    result.url = f"http://127.0.0.1:{result.server_port}/"
    thread = threading.Thread(target=result.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield result
    result.shutdown()
    thread.join()
    result.server_close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.gz"


def part_of(path):
    return path.with_name("file.gz.part")


def test_fetches_then_skips(server, path):
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert path.read_bytes() == CONTENT
    assert not part_of(path).exists()
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert len(server.requests) == 1


def test_bad_existing_file_is_replaced(server, path, capsys):
    path.write_bytes(b"old")
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert path.read_bytes() == CONTENT
    assert "not the published" in capsys.readouterr().out


def test_an_interrupted_download_goes_on_where_it_stopped(server, path):
    part_of(path).write_bytes(CONTENT[:1000])
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert path.read_bytes() == CONTENT
    assert server.requests == [("/file.gz", "bytes=1000-")]


def test_a_part_that_is_whole_is_not_fetched_again(server, path):
    part_of(path).write_bytes(CONTENT)
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_whole_file(server, path):
    server.ranges = False
    part_of(path).write_bytes(CONTENT[:1000])
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("stale", [b"wrong" * 100, CONTENT + b"more"])
def test_bad_part_is_deleted_and_redone(server, path, stale, capsys):
    part_of(path).write_bytes(stale)
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert path.read_bytes() == CONTENT
    assert "starting over" in capsys.readouterr().out
    assert [asked for _, asked in server.requests] == [f"bytes={len(stale)}-", None]


def test_a_download_with_another_checksum_is_not_kept(server, path):
    with pytest.raises(UserError, match=f"file.gz: MD5 {MD5}; expected {'0' * 32}; deleted .*part"):
        download.fetch_file(server.url + "file.gz", path, "0" * 32)
    assert not path.exists()
    assert not part_of(path).exists()


def test_broken_connection_keeps_what_came(server, path):
    server.breaks_at = 5000
    with pytest.raises(UserError, match="connection lost after 5,000 of 768,000 bytes"):
        download.fetch_file(server.url + "file.gz", path, MD5)
    assert part_of(path).read_bytes() == CONTENT[:5000]
    server.breaks_at = None
    download.fetch_file(server.url + "file.gz", path, MD5)
    assert server.requests[-1] == ("/file.gz", "bytes=5000-")


def test_a_file_that_the_server_lacks_is_named(server, path):
    with pytest.raises(UserError, match="other.gz: cannot be fetched .404"):
        download.fetch_file(server.url + "other.gz", path, MD5)


def test_a_server_out_of_reach_is_one_line(tmp_path, monkeypatch, capsys, server):
    server.shutdown()
    server.server_close()
    monkeypatch.setitem(download.BASE_URLS, "mnist", server.url)
    assert download.main(["mnist", "--data_dir", str(tmp_path / "new")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"error: {server.url}train-images-idx3-ubyte.gz: cannot be fetched" in message
    assert str(tmp_path / "new" / "train-images-idx3-ubyte.gz") in message


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert download.main(["mnist", "--data_dir", str(tmp_path / "file" / "below")]) == 2
    assert "--data_dir" in capsys.readouterr().err


def test_an_unknown_data_set_is_refused():
    with pytest.raises(SystemExit) as caught:
        download.main(["imagenet"])
    assert caught.value.code == 2


def test_a_data_set_is_fetched_file_by_file(server, tmp_path, monkeypatch):
    server.files = {name: name.encode() for name in download.FILES["mnist"]}
    sums = {name: hashlib.md5(name.encode()).hexdigest() for name in server.files}
    monkeypatch.setitem(download.FILES, "mnist", sums)
    download.fetch("mnist", tmp_path / "a" / "b", server.url)
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == set(server.files)


def cifar_archive(tmp_path, hostile=()):
    write_cifar(tmp_path / "made" / cifar.NAME, count=10)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(tmp_path / "made" / cifar.NAME, cifar.NAME)
        for member in hostile:
            tar.addfile(member)
    return buffer.getvalue()


def test_cifar_is_fetched_and_extracted(server, tmp_path, monkeypatch):
    outside = tarfile.TarInfo("../outside")
    link = tarfile.TarInfo(f"{cifar.NAME}/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    content = cifar_archive(tmp_path, [outside, link])
    server.files = {"cifar-10-python.tar.gz": content}
    monkeypatch.setitem(download.FILES, "cifar10", {"cifar-10-python.tar.gz": hashlib.md5(content).hexdigest()})
    target = tmp_path / "got"
    download.fetch("cifar10", target, server.url)
    assert sorted(path.name for path in target.iterdir()) == [cifar.NAME, "cifar-10-python.tar.gz"]
    assert len(list((target / cifar.NAME).iterdir())) == 7
    assert not (tmp_path / "outside").exists()
    assert len(cifar.read(target, Form()).train.labels) == 50
    download.fetch("cifar10", target, server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [b"no archive", None])
def test_cifar_archive_that_is_none(tmp_path, content):
    archive = tmp_path / "cifar-10-python.tar.gz"
    if content is None:
        content = cifar_archive(tmp_path)[:-500]
    archive.write_bytes(content)
    with pytest.raises(UserError, match="cifar-10-python.tar.gz: damaged"):
        download.extract_cifar(archive)
    assert not (tmp_path / cifar.NAME).exists()
    assert not (tmp_path / (cifar.NAME + ".part")).exists()


def test_cifar_archive_that_lacks_a_file(tmp_path):
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(UserError, match="x.tar.gz: no cifar-10-batches-py/batches.meta"):
        download.extract_cifar(archive)


def test_ptb_is_not_fetched_but_told_where_it_comes_from(capsys, tmp_path):
    assert download.main(["ptb", "--data_dir", str(tmp_path / "ptb")]) == 0
    told = capsys.readouterr().out
    assert "LDC99T42" in told and f"--data_dir={tmp_path / 'ptb'}" in told and "train.txt" in told
    assert not (tmp_path / "ptb").exists()
