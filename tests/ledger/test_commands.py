"""`cors-service push` and `pull` work at a store itself, as they do through an admin process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cors_service.cli import main
from cors_service.cli._push import told_of_fleet
from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.entry import Key
from cors_service.ledger.files import LedgerFiles
from cors_service.ledger.written import other_definitions
from tests.ledger.stores import change, written

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the current directory, with a store and a directory of new documents."""
    written(tmp_path / "store")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "shop.toml").write_text('version = 1\n[policies.shop]\norigins = ["https://new.example.com"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: Captured, *words: str, status: int = 0) -> str:
    """Run `cors-service`, and give what it said."""
    found = main(words)
    out, err = capsys.readouterr()
    assert found == status, out + err
    return err if status else out


def run_both(capsys: Captured, *words: str) -> tuple[int, str, str]:
    """Run `cors-service`, and give its exit status, what it printed and what it complained of."""
    status = main(words)
    return status, *capsys.readouterr()


def test_push_into_a_directory(here: Path, capsys: Captured) -> None:
    """A whole directory becomes one change of a store, whose entry says who, why, and what becomes wider."""
    push = ["push", "new", "--to", "store", "--reason", "new shop"]
    told = run(capsys, *push, "--dry-run")
    assert "WIDER     shop: " in told
    assert "NARROWER  pay: " in told
    assert "It would change " in told
    told = run(capsys, *push, "--if-seq", "1")
    assert "Change 2: origin-set partners, policy old, policy pay, policy shop." in told
    [entry] = DirectoryStore(here / "store").entries(1, 10)
    assert (entry.entry.reason, entry.entry.wider, entry.entry.narrower) == ("new shop", True, True)
    assert entry.entry.author
    assert "Nothing changes" in run(capsys, *push)
    assert "The newest change is 2 by now." in run(capsys, *push, "--if-seq", "1", status=2)
    made = json.loads(run(capsys, *push, "--json"))
    assert (made["changed"], made["changes"]) == (False, [])


def test_pull_from_a_directory(here: Path, capsys: Captured) -> None:
    """What is pulled out of a store can be pushed again, and changes nothing."""
    (here / "all.toml").write_text(run(capsys, "pull", "store"))
    assert "Nothing changes" in run(capsys, "push", "all.toml", "--to", "store", "--reason", "again")
    assert json.loads(run(capsys, "pull", "store", "--json"))["origin_sets"] == {"partners": ["https://a.example"]}


@pytest.mark.parametrize(
    ("confirmed", "waiting", "says"),
    [
        (0, [], []),
        (1, [], ["The one replica that reports has it."]),
        (3, [], ["All 3 replicas that report have it."]),
        (0, ["eu-1"], ["0 of 1 replicas have it; not yet: eu-1."]),
        (1, ["eu-1", "eu-2"], ["1 of 3 replicas have it; not yet: eu-1, eu-2."]),
    ],
)
def test_told_of_replicas(confirmed: int, waiting: list[str], says: list[str]) -> None:
    """How many replicas have a change is said in a sentence, whatever their number."""
    assert told_of_fleet({"confirmed": confirmed, "waiting": waiting}) == says


@pytest.mark.parametrize("words", ["--json store", "store --json"])
def test_option_anywhere(here: Path, capsys: Captured, words: str) -> None:
    """An option may stand in front of the place, and behind it."""
    run(capsys, "pull", "store")
    listed = json.loads(run(capsys, "ledger", "list", *words.split()))
    assert (listed["seq"], listed["reason"]) == (1, "The documents as they were found.")
    assert "'store' is not the URL of a store" in run(capsys, "store", "init", *words.split(), status=1)


@pytest.mark.parametrize("action", ["list", "verify"])
def test_head_is_missing(here: Path, capsys: Captured, action: str) -> None:
    """Where the head of a ledger is missing and its entries are not, both commands say that, and what to do."""
    DirectoryStore(here / "store").read()
    (here / "store" / ".ledger" / "head.json").unlink()
    told = run(capsys, "ledger", action, "store", status=1)
    assert "the ledger has entries and no head.json: restore that file, or move .ledger away." in told


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_entry_is_missing(here: Path, capsys: Captured, gone: int) -> None:
    """Whichever entry is removed, both commands name it; `list` prints those before it, and does not end well."""
    store = DirectoryStore(here / "store")
    for number in (2, 3):
        change(store, ("policy", "shop", {"origins": [f"https://{number}.example.com"]}))
    (here / "store" / ".ledger" / "entries" / f"{gone:016}.json").unlink()
    sentence = f"{gone}: This entry is missing; the head names entry 3."
    assert run_both(capsys, "ledger", "verify", "store") == (2, f"{sentence}\n", "")
    status, out, err = run_both(capsys, "ledger", "list", "store", "--json")
    assert (status, err) == (1, f"cors-service ledger: {sentence}\n")
    assert [json.loads(line)["seq"] for line in out.splitlines()] == list(range(1, gone))


@pytest.mark.skipif(os.name != "posix", reason="by a pipe of Unix")
def test_reader_goes_away(here: Path) -> None:
    """A reader that goes away, such as head, gets no sentence about that, however long the ledger is."""
    store = DirectoryStore(here / "store")
    for number in range(2, 80):
        change(store, ("policy", "shop", {"origins": [f"https://{number}.example.com"]}))
    with subprocess.Popen(
        [sys.executable, "-m", "cors_service", "ledger", "list", "store"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    "words",
    [
        ["push", "new", "--to", "", "--reason", "a"],
        ["push", "", "--to", "store", "--reason", "a"],
        ["pull", ""],
        ["ledger", "list", ""],
        ["store", "init", ""],
        ["bundle", "build", "", "--seq", "1", "--out", "x"],
        ["check", ""],
        ["diff", "store", ""],
        ["decide", "--policies", "", "--policy", "shop"],
    ],
    ids=" ".join,
)
def test_what_is_empty(here: Path, capsys: Captured, words: list[str]) -> None:
    """An empty place, as a variable that is not set gives it, is a mistake, and not the current directory."""
    (here / "a.toml").write_text('version = 1\n[policies.a]\norigins = ["https://a.example"]\n')
    before = sorted(here.iterdir())
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    assert " empty" in capsys.readouterr().err
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["store", "init", "absent"], "'absent' is not the URL of a store; postgresql://, "),
        (
            ["push", "new", "--to", "absent", "--reason", "a"],
            "'absent' is neither the address of cors-admin nor a store",
        ),
        (["push", "new", "--to", "nats://u:secret@host", "--reason", "a"], "has a password, which everybody can see"),
        (["pull", "absent"], "'absent' is neither the address of cors-admin nor a store"),
        (["pull", "nats://host?secret"], "nats:// is not a kind of store"),
        (["ledger", "list", "nats://host?secret"], "nats:// is not a kind of store"),
        (["push", "store/shop.toml", "--to", "broken", "--reason", "a"], "origin-trailing-slash"),
        (["push", "store/shop.toml", "--to", "http://a..b", "--reason", "a"], "http://a..b can't be asked: it has no"),
        (["pull", "http://a..b"], "http://a..b can't be asked: it has no valid host"),
        (["ledger", "list", "http://a..b"], "http://a..b can't be asked: it has no valid host"),
    ],
)
def test_what_cannot_be_done(here: Path, capsys: Captured, words: list[str], says: str) -> None:
    """A store that is not there, or has mistakes, is reported in sentences without secrets."""
    (here / "broken").mkdir()
    (here / "broken" / "a.toml").write_text('version = 1\n[policies.a]\norigins = ["https://a.example/"]\n')
    told = run(capsys, *words, status=1)
    assert says in told
    assert "secret" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("body", [b"ok", b"[]", b"{}", b"[" * 100_000, b'{"version": 1}', b'{"head": {}}'])
@pytest.mark.parametrize(
    "words",
    [
        ["push", "store/shop.toml", "--reason", "a", "--if-seq", "1", "--to"],
        ["push", "store/shop.toml", "--reason", "a", "--to"],
        ["pull"],
        ["ledger", "list"],
        ["ledger", "verify"],
    ],
    ids=" ".join,
)
def test_another_server(here: Path, capsys: Captured, words: list[str], body: bytes) -> None:
    """Of a server that answers something else, the commands say that it is not an admin process."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            told = run(capsys, *words, f"http://127.0.0.1:{server.server_port}", status=1)
        finally:
            server.shutdown()
            thread.join()
    assert "is not an admin process" in told
    assert "Traceback" not in told


def test_a_change_that_is_not_in_its_place(here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that was made, and whose files could not be put into place yet, is a part of the ledger."""
    (here / "pol").mkdir()
    words = ["push", "store/shop.toml", "--to", "pol", "--reason"]
    run(capsys, *words, "first")
    (here / "more.toml").write_text('version = 1\n[policies.a]\norigins = ["https://a.example"]\n')

    files = LedgerFiles(here / "pol")

    def full(_: object) -> None:
        if files.is_pending:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("cors_service.ledger.files.LedgerFiles._finish", full)
        main(["push", "more.toml", "--to", "pol", "--reason", "second"])
    capsys.readouterr()
    assert files.is_pending
    assert "second" in run(capsys, "ledger", "list", "pol")
    assert "nothing was tampered with" in run(capsys, "ledger", "verify", "pol")


def test_files_that_say_more(here: Path, capsys: Captured) -> None:
    """What a reader would skip in the files of a ledger is found: what misleads people is not what was written."""
    run(capsys, "push", "new", "--to", "store", "--reason", "new shop")
    assert "nothing was tampered with" in run(capsys, "ledger", "verify", "store")
    entry, bodies = (here / "store" / ".ledger" / kind / f"{2:016}.json" for kind in ("entries", "bodies"))
    for file, text, sentence in (
        (entry, b'{"reason": "approved by the board", ' + entry.read_bytes()[1:], "Its files are not to the byte"),
        (bodies, b'{"policy": {}, ' + bodies.read_bytes()[1:], "Its files are not to the byte"),
        (
            bodies,
            bodies.read_bytes().replace(b'"shop"', b'"other": {}, "shop"'),
            "There is the policy other, which it did not write.",
        ),
    ):
        kept = file.read_bytes()
        file.write_bytes(text)
        main(["ledger", "verify", "store"])
        assert f"2: {sentence}" in capsys.readouterr().out
        file.write_bytes(kept)
    assert "nothing was tampered with" in run(capsys, "ledger", "verify", "store")


def test_definitions_that_were_changed(here: Path) -> None:
    """A definition that somebody changed, removed or added behind the ledger's back is found, with its entry."""
    store = DirectoryStore(here / "store")
    change(store, ("policy", "shop", {"origins": ["https://new.example.com"]}))
    kept = store.read()
    entries, bodies = store.entries(0, 10), store.bodies(kept.digests)
    assert list(other_definitions(entries, bodies)) == []
    shop, pay = Key("policy", "shop"), Key("policy", "pay")
    changed = {**bodies, shop: {"origins": ["*"]}, Key("policy", "more"): {"origins": ["*"]}}
    del changed[pay]
    found = {(one.seq, one.sentence.split(" that ")[0]) for one in other_definitions(entries, changed)}
    assert found == {
        (2, "What is kept of the policy shop is not what it wrote."),
        (1, "The policy pay"),
        (2, "There is the policy more, which no entry has written."),
    }


def test_store_of_the_environment(here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a command names no store, the environment does; without either, it says what to name."""
    with pytest.raises(SystemExit):
        main(["pull"])
    assert "or put the URL of a store into $CORS_SERVICE_STORE." in capsys.readouterr().err
    monkeypatch.setenv("CORS_SERVICE_STORE", "store")
    assert "Change 2" in run(capsys, "push", "new", "--reason", "new shop")
    assert "new.example.com" in run(capsys, "pull")
    assert run(capsys, "ledger", "verify").startswith("2 entries, nothing was tampered with.")
    run(capsys, "bundle", "build", "--out", "policies.json")
    # What nobody but the owner sees may hold something secret.
    monkeypatch.setenv("CORS_SERVICE_STORE", "nats://u:secret@host")
    told = run(capsys, "pull", status=1)
    assert "nats:// is not a kind of store" in told
    assert "secret" not in told
