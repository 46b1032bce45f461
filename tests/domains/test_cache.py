import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from doge_ray.atomic import write_file
from doge_ray.domains.cache import cache_folder, fetch
from doge_ray.errors import InputError

CONTENT = b"seven reviews\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(tmp_path):
    folder = tmp_path / "served"
    write_file(folder / "file.json", CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/file.json"
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "deep" / "file.json"


def test_a_file_is_fetched_and_left_alone(url, target):
    fetch(url, target, SHA256, "remedy")
    assert target.read_bytes() == CONTENT
    assert [file.name for file in target.parent.iterdir()] == ["file.json"]
    fetch("http://127.0.0.1:1/never-asked", target, SHA256, "remedy")


def test_a_damaged_copy_is_fetched_again(url, target):
    write_file(target, b"half a fi")
    fetch(url, target, SHA256, "remedy")
    assert target.read_bytes() == CONTENT


def test_another_content_is_refused_and_not_kept(url, target):
    write_file(target, b"half a fi")
    with pytest.raises(InputError, match=rf"file\.json has the sha256 {SHA256}, not 00.*remedy"):
        fetch(url, target, "00", "remedy")
    assert not list(target.parent.iterdir())


def test_no_answer_names_the_address_and_the_remedy(url, target):
    with pytest.raises(InputError, match=r"gone could not be fetched \(.*404.*\); set data\.root"):
        fetch(url + "/gone", target, SHA256, "set data.root")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1/ could not be .*; set data\.root"):
        fetch("http://127.0.0.1:1/", target, SHA256, "set data.root")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("DOGE_RAY_CACHE")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache_folder()) == "/home/someone/.cache/doge_ray"
