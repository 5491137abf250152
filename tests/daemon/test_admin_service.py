"""The service of the admin process in this process, and the commands that ask it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_twisted import blockon
from twisted.internet.defer import maybeDeferred
from twisted.internet.threads import deferToThread

from cors_service.access.tokens import token_entry
from cors_service.cli import main
from cors_service.daemon.admin import AdminService
from cors_service.tap_admin import Options, makeService

SHOP = 'version = 1\n\n# The shop.\n[policies.shop]\norigins = ["https://shop.example.com"]\n'
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AdminService]]:
    """Give a function that starts the service by its options, over a directory; it ends with the test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.toml").write_text(SHOP, encoding="utf-8")
    started: list[AdminService] = []

    def begin(*arguments: str) -> AdminService:
        options = Options()
        options.parseOptions(["--store", "policies", "--data", "data", *arguments])
        service = cast(AdminService, makeService(options))
        started.append(service)
        service.privilegedStartService()
        service.startService()
        return service

    yield begin
    for service in started:
        blockon(maybeDeferred(service.stopService))


def url_of(service: AdminService) -> str:
    """The address of a service."""
    [port] = service.server.ports
    address: Any = port.getHost()
    return f"http://127.0.0.1:{address.port}"


async def status_of(*words: str) -> int:
    """Run a command, in another thread, while the reactor of this one serves it."""
    status: int = await deferToThread(main, list(words))
    return status


async def test_push_and_pull(start: Callable[..., AdminService], tmp_path: Path, capsys: Captured) -> None:
    """What is pulled can be pushed again, which changes nothing; what is edited is one change."""
    url = url_of(start("--listen", "tcp:0:interface=127.0.0.1"))
    assert await status_of("pull", url) == 0
    text = capsys.readouterr().out
    assert text == 'version = 1\n\n[policies.shop]\norigins = ["https://shop.example.com"]\n'
    path = tmp_path / "all.toml"
    path.write_text(text, encoding="utf-8")
    assert await status_of("push", str(path), "--to", url, "--reason", "again") == 0
    assert capsys.readouterr().out == "Nothing changes: everything is there already.\n"
    sets = '[origin_sets]\nteam = ["https://team.example"]\n\n'
    path.write_text(text.replace("[policies", f"{sets}[policies").replace('com"]', 'com", "@team"]'), encoding="utf-8")
    assert await status_of("push", str(path), "--to", url, "--reason", "the team", "--dry-run") == 0
    assert capsys.readouterr().out.endswith("\nIt would change origin-set team, policy shop.\n")
    assert await status_of("push", str(path), "--to", url, "--reason", "the team", "--if-seq", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["entry"]["seq"] == 2
    assert await status_of("push", str(path), "--to", url, "--reason", "the team", "--if-seq", "1") == 2
    assert "answers with 412: The newest change is 2" in capsys.readouterr().err
    assert await status_of("pull", url, "--json") == 0
    assert json.loads(capsys.readouterr().out)["origin_sets"] == {"team": ["https://team.example"]}
    assert "# The shop." in (tmp_path / "policies" / "shop.toml").read_text(encoding="utf-8")


async def test_push_mistakes(start: Callable[..., AdminService], tmp_path: Path, capsys: Captured) -> None:
    """Mistakes are told before anything is sent; what only the store can find is told as it tells it."""
    url = url_of(start("--listen", "tcp:0:interface=127.0.0.1"))
    path = tmp_path / "bad.toml"
    path.write_text("nonsense = 1\n", encoding="utf-8")
    assert await status_of("push", str(path), "--to", url, "--reason", "a") == 1
    assert "bad.toml:1: nonsense: The key 'nonsense' is unknown." in capsys.readouterr().err
    (tmp_path / "policies" / "other.toml").write_text("nonsense = 1\n", encoding="utf-8")
    path.write_text(SHOP, encoding="utf-8")
    seen = ""
    while "store-has-mistakes" not in seen and "corrected" not in seen:
        assert await status_of("push", str(path), "--to", url, "--reason", "a") in {0, 1}
        seen = capsys.readouterr().err
    assert "other.toml" in seen or "nonsense: The key 'nonsense' is unknown." in seen


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("", "it is empty; say why"),
        (" ", "it is empty; say why"),
        ("a" * 1001, "it has 1001 characters; the ledger keeps 1000 at most"),
    ],
)
@pytest.mark.parametrize("to", ["http://127.0.0.1:1", "postgresql://127.0.0.1:1/cors", "etcd://127.0.0.1:1/cors"])
def test_push_without_a_reason(tmp_path: Path, capsys: Captured, reason: str, why: str, to: str) -> None:
    """Wherever policies go, the reason has to be one, before anything is sent: `$CI_COMMIT_TITLE` may not be set."""
    path = tmp_path / "all.toml"
    path.write_text(SHOP, encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main(["push", str(path), "--to", to, "--reason", reason])
    assert caught.value.code == 1
    assert f"argument --reason: {why}" in capsys.readouterr().err


async def test_ledger(start: Callable[..., AdminService], tmp_path: Path, capsys: Captured) -> None:
    """The ledger is the same by its files and by the process, and what somebody tampered with is named."""
    service = start("--listen", "tcp:0:interface=127.0.0.1")
    url = url_of(service)
    path = tmp_path / "new.toml"
    path.write_text(SHOP.replace("shop.example", "web.example") + '[policies.b]\norigins = ["*"]\n', encoding="utf-8")
    assert await status_of("push", str(path), "--to", url, "--reason", "web\nshop") == 0
    capsys.readouterr()
    listed = []
    for where in (url, "policies"):
        assert await status_of("ledger", "list", where) == 0
        listed.append(capsys.readouterr().out)
        assert await status_of("ledger", "verify", where) == 0
        assert capsys.readouterr().out.startswith("2 entries, nothing was tampered with. The newest: ")
    assert listed[0] == listed[1]
    assert "local: web shop (wider and narrower)\n   +policy b, ~policy shop\n" in listed[0]
    assert await status_of("ledger", "list", "policies", "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["hash"] == second["previous"]
    bodies = tmp_path / "policies" / ".ledger" / "bodies" / f"{1:016}.json"
    bodies.write_text(bodies.read_text(encoding="utf-8").replace("shop.example", "evil.example"), encoding="utf-8")
    assert await status_of("ledger", "verify", "policies") == 2
    assert capsys.readouterr().out == "1: What is kept of the policy shop is not what it wrote.\n"
    bodies.unlink()
    assert await status_of("ledger", "verify", "policies") == 2
    assert "1: The definitions that it wrote can't be read" in capsys.readouterr().out


async def test_nobody_there(tmp_path: Path, capsys: Captured) -> None:
    """Where no admin process is, or no ledger, a command says so in one sentence."""
    (tmp_path / "shop.toml").write_text(SHOP, encoding="utf-8")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for words in (
        ["pull", url],
        ["push", str(tmp_path / "shop.toml"), "--to", url, "--reason", "a"],
        ["ledger", "list", url],
        ["pull", "nonsense"],
        ["ledger", "verify", str(tmp_path)],
    ):
        assert await status_of(*words) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        assert err.startswith(f"cors-service {words[0]}: ")


async def test_second_person(
    start: Callable[..., AdminService], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that waits for a second person ends in a status of its own, and is not reported as published."""
    entries = [token_entry("team", "secret-1", ["read", "propose"]), token_entry("ci", "secret-2", ["read"])]
    (tmp_path / "auth.toml").write_text("\n".join(entries), encoding="utf-8")
    service = start("--listen", "tcp:0:interface=127.0.0.1", "--auth", "auth.toml")
    url, path = url_of(service), tmp_path / "new.toml"
    path.write_text(SHOP.replace("shop.example", "web.example"), encoding="utf-8")
    push = ["push", str(path), "--to", url, "--reason", "a"]
    for token, status, text in (
        ("secret-1", 3, "Nothing is published yet: it waits for a second person, as proposal "),
        ("secret-2", 1, "answers with 403: This caller lacks the verb write or propose."),
        ("nobody", 1, "answers with 401: The request has no known token"),
        ("a b", 1, "This is not a token"),
    ):
        monkeypatch.setenv("CORS_SERVICE_TOKEN", token)
        assert status == await status_of(*push)
        assert text in "".join(capsys.readouterr())
    monkeypatch.setenv("CORS_SERVICE_TOKEN", "secret-1")
    assert await status_of(*push, "--dry-run") == 0
    assert "It would change policy shop." in capsys.readouterr().out
    path.write_text(SHOP.replace("shop.example", "net.example"), encoding="utf-8")
    assert await status_of(*push, "--json") == 3
    assert json.loads(capsys.readouterr().out)["proposal"]
    assert await status_of("status", url) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("change 1, ")
    assert second == "not published: 2 changes wait for a second person"
    await service.reload()


async def test_follows(start: Callable[..., AdminService], tmp_path: Path) -> None:
    """What somebody changes by hand becomes an entry when it is looked at again."""
    service = start("--listen", "tcp:0:interface=127.0.0.1")
    path = tmp_path / "policies" / "shop.toml"
    path.write_text(SHOP.replace("shop.example", "web.example"), encoding="utf-8")
    for _ in range(3):
        await service.reload()
    assert service.tree.desk.changes.kept.head.seq == 2
    assert service.tree.desk.changes.problem is None


async def test_gone(start: Callable[..., AdminService], tmp_path: Path) -> None:
    """A directory that is gone is a problem that the status and the log have, and it is over when it is back."""
    service = start("--listen", "tcp:0:interface=127.0.0.1")
    policies = tmp_path / "policies"
    policies.rename(tmp_path / "away")
    await service.reload()
    problem = service.tree.desk.changes.problem
    assert problem is not None
    assert "No such file or directory" in problem
    (tmp_path / "away").rename(policies)
    await service.reload()
    assert service.tree.desk.changes.problem is None
