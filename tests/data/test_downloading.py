"""Downloads from a real server on this machine: whole and right, or a message and nothing kept."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import typer

from lstmctl.cli.main import app, main
from lstmctl.data.downloading import CHUNK, TIMEOUT, Downloaded, download, find_source
from lstmctl.data.listing import known_files
from lstmctl.data.sources import KNOWN, Source, find_known
from lstmctl.errors import DataError, ResourceError, UsageError
from tests import processes

CONTENT = b"".join(b"%06d A line of some text.\n" % number for number in range(3000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """`/KIND/any-name`: the kind says what goes wrong."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        kind, encodings = self.path.split("/")[1], self.headers["Accept-Encoding"]
        assert encodings == "identity"
        match kind:
            case "good":
                self.answer(CONTENT, {"Content-Length": len(CONTENT)})
            case "unmeasured":
                self.answer(CONTENT, {})
            case "short":
                self.answer(CONTENT, {"Content-Length": len(CONTENT) + 1})
            case "chunks":
                self.answer(b"400\r\n" + CONTENT[:1024] + b"\r\n", {"Transfer-Encoding": "chunked"})
            case "packed":
                packed = gzip.compress(CONTENT)
                self.answer(packed, {"Content-Length": len(packed), "Content-Encoding": "gzip"})
            case "bomb":
                packed = gzip.compress(bytes(2_000_000))
                self.answer(packed, {"Content-Length": len(packed), "Content-Encoding": "gzip"})
            case "part":
                self.answer(CONTENT[:100], {"Content-Length": 100}, HTTPStatus.PARTIAL_CONTENT)
            case "nothing":
                self.answer(b"", {}, HTTPStatus.NO_CONTENT)
            case "moved":
                self.answer(b"", {"Location": "/good/elsewhere.txt", "Content-Length": 0}, HTTPStatus.FOUND)
            case "circle":
                self.answer(b"", {"Location": self.path, "Content-Length": 0}, HTTPStatus.FOUND)
            case "empty":
                self.answer(b"", {"Content-Length": 0})
            case "stalls":
                self.answer(CONTENT[: 2 * CHUNK], {"Content-Length": len(CONTENT)})
                self.server.over.wait()
            case "silent":
                self.server.over.wait()
            case "closes":
                pass
            case "foreign":
                self.wfile.write(b"220 not the web\r\n")
            case _:
                self.send_error(int(kind))

    def answer(self, body: bytes, headers: dict[str, object], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Remembers its requests; `over` releases the waiting ones."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.over = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def kept(cache: Path) -> list[str]:
    """Names of all files in the cache, hidden ones too."""
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_the_table_is_well_formed() -> None:
    assert len(KNOWN) == 13
    for name, source in KNOWN.items():
        assert source.name == name
        assert source.url.startswith("https://" if source.sha256 else "http")
        assert source.sha256 is None or re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert (source.sha256 is None) == (source.size is None)  # both are from a copy at hand
        assert find_source(name) == find_source(name.upper()) == find_source(source.file) == source
        # By its file name a source is found in the cache, so it has to be one that a URL could have.
        assert find_source(f"https://example.org/{source.file}").file == source.file
    assert find_known("nothing") is None


def test_a_known_name_is_fetched_once(server: Server, cache: Path) -> None:
    known = {"Sea": Source(file="sea.txt", url=server.url("good/input.txt"), sha256=SHA256, name="Sea")}
    source = find_source("sea", known=known)
    first = download(source)
    assert first == Downloaded(source, cache / "sea.txt", len(CONTENT), SHA256, fetched=True, was_there=False)
    assert first.verified
    assert first.path.read_bytes() == CONTENT
    Path("ordinary").touch()
    assert first.path.stat().st_mode == Path("ordinary").stat().st_mode
    assert download(source) == replace(first, fetched=False, was_there=True)
    assert server.asked == ["/good/input.txt"]
    assert kept(cache) == ["sea.txt"]


def test_a_url_with_a_hash_is_fetched_once(server: Server, cache: Path) -> None:
    source = find_source(server.url("good/my%20text.txt?version=2#top"), SHA256.upper())
    assert download(source).path == cache / "my text.txt"
    assert not download(source).fetched
    assert len(server.asked) == 1


def test_a_url_without_a_hash_is_fetched_again_and_compared(server: Server, cache: Path) -> None:
    source = find_source(server.url("good/a.txt"))
    first = download(source)
    assert (first.sha256, first.verified) == (SHA256, False)
    again = download(source)
    assert (again.fetched, again.was_there) == (True, True)
    (cache / "a.txt").write_bytes(b"other")
    message = f"^{cache}/a.txt already exists with other content: its SHA-256 is {OTHER}, that of http.* is {SHA256}$"
    for same in (source, replace(source, sha256=SHA256)):
        with pytest.raises(DataError, match=message):
            download(same)
    assert len(server.asked) == 3  # with a hash, no server needs to be contacted
    assert (cache / "a.txt").read_bytes() == b"other"
    assert kept(cache) == ["a.txt"]


@pytest.mark.parametrize("kind", ["unmeasured", "packed", "moved"])
def test_other_ways_to_send_a_file(kind: str, server: Server, cache: Path) -> None:
    path = download(find_source(server.url(f"{kind}/a.txt"), SHA256)).path
    assert path == cache / "a.txt"
    assert path.read_bytes() == CONTENT


def test_a_wrong_hash_shows_both(server: Server, cache: Path) -> None:
    with pytest.raises(DataError, match=f"^http.*/a.txt has the SHA-256 {SHA256}, not {OTHER}; nothing was kept$"):
        download(find_source(server.url("good/a.txt"), OTHER))
    assert kept(cache) == []


@pytest.mark.parametrize("sha256", [None, SHA256])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("short", "closed the connection before the download finished"),
        ("chunks", "closed the connection before the download finished"),
        ("404", "answered 404 Not Found instead of 200 OK"),
        ("500", "answered 500 Internal Server Error instead of 200 OK"),
        ("circle", "redirects in a circle"),
        ("closes", "gave no HTTP response"),
        ("foreign", "gave no HTTP response"),
        ("part", "answered 206 Partial Content instead of 200 OK"),
        ("nothing", "answered 204 No Content instead of 200 OK"),
        ("stalls", "sent nothing for 0.25 seconds"),
        ("silent", "sent nothing for 0.25 seconds"),
    ],
)
def test_a_failure_is_reported_and_leaves_nothing(
    kind: str, reason: str, sha256: str | None, server: Server, cache: Path
) -> None:
    url = server.url(f"{kind}/a.txt")
    with pytest.raises(DataError) as caught:
        download(find_source(url, sha256), timeout=0.25 if "nothing" in reason else TIMEOUT)
    assert str(caught.value) == f"{url} {reason}; nothing was kept"
    assert str(caught.value.hint).endswith(f"put it there: {cache}/a.txt")
    assert kept(cache) == []


@pytest.mark.parametrize("kind", ["bomb", "good", "unmeasured"])
def test_more_than_the_limit_is_refused_and_can_be_allowed(
    kind: str, server: Server, cache: Path, command: Command
) -> None:
    url = server.url(f"{kind}/a.txt")
    code, out, err = command(url, "--limit", "50kB")
    assert (code, out) == (3, "")
    assert f"error: {url} is larger than 50,000 bytes; nothing was kept" in err
    assert "hint: if that is right, allow more: --limit 2GB" in err
    assert kept(cache) == []
    assert command(url, "--limit", "2 MB")[0] == 0
    assert kept(cache) == ["a.txt"]


@pytest.mark.parametrize("limit", ["", "0", "many", "-1", "1e3", "5 XB"])
def test_a_malformed_limit_is_reported_before_anything_is_asked(limit: str, server: Server, command: Command) -> None:
    code, _, err = command(server.url("good/a.txt"), f"--limit={limit}")
    assert (code, server.asked) == (2, [])
    assert f"error: `{limit}` is not a size; write one such as 500MB or 2GB" in err


def test_an_empty_file_is_refused(server: Server, cache: Path) -> None:
    with pytest.raises(DataError, match=r"/a\.txt is empty$"):
        download(find_source(server.url("empty/a.txt")))
    assert kept(cache) == []


def test_an_unreachable_server_is_reported_without_the_password(server: Server, cache: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but without a listener
        place = f"127.0.0.1:{closed.getsockname()[1]}/a.txt"
        message = f"^http://{place} cannot be reached: Connection refused; nothing was kept$"
        with pytest.raises(DataError, match=message):
            download(find_source(f"http://someone:secret@{place}"))
    assert kept(cache) == []


def test_a_failed_secure_connection_is_reported(server: Server) -> None:
    with pytest.raises(DataError, match=r"/a\.txt has no secure connection: "):
        download(find_source(server.url("good/a.txt").replace("http:", "https:")))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("tinyshakespear", "`tinyshakespear` is not a known name; did you mean tinyshakespeare?"),
        ("etth", "`etth` is not a known name; did you mean ETTh2 or ETTh1 or ETTm2?"),
        ("www.example.org/a.txt", "`www.example.org/a.txt` is not a known name"),
        ("ftp://example.org/a.txt", "`ftp://example.org/a.txt` is neither an http nor an https URL"),
        ("https:///a.txt", "`https:///a.txt` is not a URL"),
        ("https://example.org:many/a.txt", "`https://example.org:many/a.txt` is not a URL"),
        ("https://[example.org/a.txt", "`https://[example.org/a.txt` is not a URL"),
        ("https://example.org/\x1b[2J", "`https://example.org/\x1b[2J` is not a URL"),
        ("https://example.org/a/", "`https://example.org/a/` names no file: its path is empty or ends in a slash"),
        ("https://example.org", "`https://example.org` names no file: its path is empty or ends in a slash"),
        ("https://example.org/..", "`https://example.org/..` ends in `..`, which is not a safe name for a file"),
        ("https://a.b/%2e%2e%2fc", "`https://a.b/%2e%2e%2fc` ends in `../c`, which is not a safe name for a file"),
        ("https://a.b/.hidden", "`https://a.b/.hidden` ends in `.hidden`, which is not a safe name for a file"),
        ("https://a.b/Con.txt", "`https://a.b/Con.txt` ends in `Con.txt`, which is not a safe name for a file"),
        ("https://a.b/c.", "`https://a.b/c.` ends in `c.`, which is not a safe name for a file"),
        ("https://a.b/c%00", "`https://a.b/c%00` ends in `c\x00`, which is not a safe name for a file"),
        (f"https://a.b/{'c' * 201}", f"the name of the file in `https://a.b/{'c' * 201}` is longer than 200 bytes"),
        ("https://a.b/travellers.txt", "travellers.txt is the name of bundled data, which would be found first"),
    ],
)
def test_what_cannot_be_fetched_is_reported_before_anything_is_asked(what: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_source(what)
    assert str(caught.value) == message


@pytest.mark.parametrize("sha256", ["", "12ab", "g" * 64, SHA256 + "0", f"md5:{SHA256[:32]}"])
def test_a_malformed_hash_is_reported_before_anything_is_asked(sha256: str) -> None:
    with pytest.raises(UsageError, match="a SHA-256 has 64 hexadecimal digits, unlike"):
        find_source("https://example.org/a.txt", sha256)


def test_the_name_of_a_known_file_means_its_content(server: Server, cache: Path) -> None:
    mirror = server.url("good/TinyShakespeare.txt")
    for what in (mirror, "tinyshakespeare"):
        with pytest.raises(UsageError, match=f"whose SHA-256 is {KNOWN['tinyshakespeare'].sha256}, not {SHA256}$"):
            find_source(what, SHA256)
    with pytest.raises(DataError, match=f"has the SHA-256 {SHA256}, not {KNOWN['tinyshakespeare'].sha256}"):
        download(find_source(mirror))
    assert kept(cache) == []


def test_what_is_in_the_way_is_left_alone(server: Server, cache: Path) -> None:
    (cache / "a.txt").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a\.txt exists and cannot be read: Is a directory"):
        download(find_source(server.url("good/a.txt")))
    assert kept(cache) == ["a.txt"]


def test_an_impossible_folder_is_reported(server: Server) -> None:
    Path("file").touch()
    with pytest.raises(ResourceError, match=r"file/inside/a\.txt cannot be written: Not a directory$") as caught:
        download(find_source(server.url("good/a.txt")), Path("file/inside"))
    assert caught.value.hint == "free some space, or keep downloads elsewhere: LSTMCTL_CACHE=FOLDER"
    assert server.asked == []


def test_what_a_killed_download_left_is_removed_by_a_later_one(server: Server, cache: Path) -> None:
    cache.mkdir()
    for name, age in ((".a.txt.tmp-1", 7200), (".b.txt.tmp-2", 0)):
        (cache / name).write_bytes(b"half")
        os.utime(cache / name, (time.time() - age,) * 2)
    download(find_source(server.url("good/a.txt")))
    assert kept(cache) == [".b.txt.tmp-2", "a.txt"]  # the other may still be at work
    assert "b.txt" not in " ".join(file["name"] for file in known_files())


def test_progress_counts_every_byte(server: Server) -> None:
    class Record:
        def __init__(self) -> None:
            self.total, self.amounts = 0.0, list[float]()

        def update(self, amount: float) -> None:
            self.amounts.append(amount)

    record = Record()
    download(find_source(server.url("good/a.txt")), progress=record)
    assert record.total == sum(record.amounts) == len(CONTENT)
    assert max(record.amounts) == CHUNK


def test_the_list_shows_what_can_be_downloaded_until_it_is_there(cache: Path) -> None:
    def rows(where: str) -> list[dict[str, Any]]:
        return [file for file in known_files() if file["where"] == where]

    found = rows("download")
    assert [file["name"] for file in found] == list(KNOWN)
    assert found[0] == {
        "name": "tinyshakespeare",
        "bytes": 1_115_394,
        "where": "download",
        "licence": "public domain",
        "sha256": KNOWN["tinyshakespeare"].sha256,
    }
    cache.mkdir()
    (cache / "ETTh1.csv").write_bytes(b"x")
    assert [file["name"] for file in rows("download")] == [name for name in KNOWN if name != "ETTh1"]
    assert rows("cache") == [{"name": "ETTh1.csv", "bytes": 1, "where": "cache"}]


# The command.

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`lstmctl data download …` in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lstmctl", "data", "download", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return (ended.value.code, *capsys.readouterr())

    return run


def test_the_path_is_all_that_stdout_gets(server: Server, cache: Path, command: Command) -> None:
    url, path = server.url("good/my%20text.txt"), f"{cache}/my text.txt\n"
    facts = f"my text.txt: {len(CONTENT):,} bytes, SHA-256 {SHA256}"
    pin = (
        "Not verified: its SHA-256 is not known in advance. To pin this version, add to the URL:\n  --sha256 " + SHA256
    )
    following = "Next: lstmctl data show 'data.text=my text.txt'"
    assert command(url) == (0, path, f"{facts}\n{pin}\n{following}\n")
    assert command(url) == (0, path, f"{facts}\nIt already exists and is unchanged.\n{pin}\n{following}\n")
    again = f"{facts} as expected\nIt already exists; nothing was downloaded.\n{following}\n"
    assert command(url, "--sha256", SHA256) == (0, path, again)
    assert command(url, "--quiet") == (0, path, "")


def test_json_is_one_object(server: Server, cache: Path, command: Command) -> None:
    told = {"format": 1, "name": None, "path": f"{cache}/a.txt", "bytes": len(CONTENT), "sha256": SHA256}
    told |= {"licence": None, "data": f"{cache}/a.txt"}
    url = server.url("good/a.txt")
    code, out, err = command(url, "--json", "--quiet", "--sha256", SHA256)
    assert (code, json.loads(out), err) == (0, {**told, "verified": True, "fetched": True}, "")
    assert json.loads(command(url, "--json", "--sha256", SHA256)[1])["fetched"] is False
    assert json.loads(command(url, "--json")[1]) == {**told, "verified": False, "fetched": True}


def test_errors_have_their_exit_codes(server: Server, command: Command) -> None:
    code, out, err = command(server.url("404/a.txt"))
    assert (code, out) == (3, "")
    assert re.fullmatch(
        r"error: http\S+ answered 404 Not Found instead of 200 OK; nothing was kept\nhint: download it .*\n", err
    )
    assert command("tinyshakespear") == (
        2,
        "",
        "error: `tinyshakespear` is not a known name; did you mean tinyshakespeare?\n"
        f"hint: known are {', '.join(KNOWN)}; a URL begins with https://\n",
    )
    assert command(server.url("good/a.txt"), "--sha256", "12")[0] == 2
    assert server.asked == ["/404/a.txt"]


def test_the_examples_of_the_help_are_understood() -> None:
    """They are not run, for they name servers on the web."""
    shown = typer.main.get_command(app).commands["data"].commands["download"]  # type: ignore[attr-defined]
    lines = [line.strip() for line in shown.epilog.splitlines() if line.strip().startswith("lstmctl data download")]
    assert len(lines) > 1
    for line in lines:
        read = shown.make_context("download", shlex.split(line)[3:]).params
        assert find_source(read["what"], read["sha256"]).url.startswith("https://")


def test_a_downloaded_text_is_found_by_its_name_and_by_its_path(server: Server) -> None:
    program = f"{shlex.quote(sys.executable)} -m lstmctl data"
    line = f'{program} show "data.text=$({program} download -q {server.url("good/a.txt")})"'
    line += f" && {program} show data.text=a.txt"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout.count("one window of the training part")) == (0, 2), result.stderr


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "Stopped.\n"), (signal.SIGTERM, "")])
def test_a_signal_in_the_middle_leaves_nothing(number: signal.Signals, said: str, server: Server, cache: Path) -> None:
    line = [sys.executable, "-m", "lstmctl", "data", "download", server.url("stalls/a.txt")]
    started = processes.start(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(path.stat().st_size for path in cache.glob(".*")):
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(number)
    assert started.communicate(timeout=60) == ("", said)
    assert started.returncode == 128 + number
    assert kept(cache) == []


LIMITED = """
import resource, sys
from lstmctl.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.argv = ["lstmctl", "data", "download", *sys.argv[1:]]
main()
"""


def test_a_full_disk_is_reported_and_leaves_nothing(server: Server, cache: Path) -> None:
    line = [sys.executable, "-c", LIMITED, server.url("good/a.txt")]
    result = processes.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (6, "")
    assert result.stderr == (
        f"error: {cache}/a.txt cannot be written: File too large\n"
        "hint: free some space, or keep downloads elsewhere: LSTMCTL_CACHE=FOLDER\n"
    )
    assert kept(cache) == []


@pytest.mark.parametrize(("path", "says"), [("404/t.csv", "answered 404 Not Found"), ("closes/t.csv", "gave no HTTP")])
def test_a_url_that_does_not_answer_is_told_by_train(server: Server, lstmctl: Any, path: str, says: str) -> None:
    told = lstmctl("train", server.url(path))
    assert told.code == 3
    assert says in told.err
