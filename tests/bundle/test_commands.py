"""`cors-service bundle` makes, signs and checks bundles, and keeps private keys to itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cors_service.bundle.envelope import SUFFIX
from cors_service.bundle.form import read_bundle
from cors_service.cli import main
from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.entry import Key
from tests.bundle.bundles import HOUR, KeyPair, files, sealed, shop
from tests.bundle.served import Site
from tests.ledger.stores import change, written

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the current directory, with a directory of policies."""
    written(tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return tmp_path


def run(capsys: Captured, *words: str, status: int = 0) -> str:
    """Run `cors-service bundle`, and give what it said."""
    try:
        found = main(["bundle", *words])
    except SystemExit as end:
        found = int(str(end.code))
    out, err = capsys.readouterr()
    assert found == status, out + err
    assert "PRIVATE" not in out + err
    return err if status else out


def test_all_of_it(here: Path, capsys: Captured) -> None:
    """What was made, built and signed is good; what somebody changes behind that is not."""
    run(capsys, "keygen", "release.key")
    run(capsys, "build", "policies", "--seq", "42", "--out", "policies.json")
    run(capsys, "sign", "policies.json", "--key", "release.key", "--expires", "12h")
    told = run(capsys, "verify", "policies.json", "--policies-key", "release.key.pub")
    assert "policies.json: change 42 is good, for 12 hours more. sha256:" in told
    place = here / "policies.json"
    place.write_bytes(place.read_bytes().replace(b'"seq":42', b'"seq":43'))
    told = run(capsys, "verify", "policies.json", "--policies-key", "release.key.pub", status=2)
    assert "[bundle-changed]" in told


def test_modes(here: Path, capsys: Captured) -> None:
    """A private key is for its owner alone, never overwritten; everybody may read the rest."""
    run(capsys, "keygen", "release.key")
    run(capsys, "build", "policies", "--seq", "42", "--out", "policies.json")
    run(capsys, "sign", "policies.json", "--key", "release.key")
    modes = {path.name: path.stat().st_mode & 0o777 for path in here.iterdir() if path.is_file()}
    assert modes == {
        "release.key": 0o600,
        "release.key.pub": 0o644,
        "policies.json": 0o644,
        f"policies.json{SUFFIX}": 0o644,
    }
    before = (here / "release.key").read_bytes()
    assert "exists" in run(capsys, "keygen", "release.key", status=1)
    (here / "release.key.pub").rename(here / "other.pub")
    (here / "other").symlink_to("nowhere")
    assert "exists" in run(capsys, "keygen", "other", status=1)
    assert (here / "release.key").read_bytes() == before


def test_same_bytes(here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same documents, number and date give the same bytes, and so do the same key and times."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795910400")
    run(capsys, "keygen", "release.key")
    times = ["--not-before", "2026-11-29T00:00:00Z", "--expires", "2100-01-01T00:00:00+01:00"]
    for name in ("one", "two"):
        run(capsys, "build", "policies", "--seq", "42", "--out", name)
        run(capsys, "sign", name, "--key", "release.key", *times)
    assert (here / "one").read_bytes() == (here / "two").read_bytes()
    assert (here / f"one{SUFFIX}").read_bytes() == (here / f"two{SUFFIX}").read_bytes()
    assert read_bundle((here / "one").read_bytes()).head.at == "2026-11-29T00:00:00Z"


def test_with_a_ledger(here: Path, capsys: Captured) -> None:
    """Where there is a ledger, its newest change is the number; what was edited by hand is no change yet."""
    store = DirectoryStore(here / "policies")
    change(store, ("policy", "shop", {"origins": ["https://shop.example.com"]}))
    assert store.kept is not None
    run(capsys, "build", "policies", "--out", "policies.json")
    made = read_bundle((here / "policies.json").read_bytes())
    assert made.head == store.kept.head
    assert made.bodies[Key("policy", "shop")] == {"origins": ["https://shop.example.com"]}
    (here / "policies" / "more.toml").write_text('version = 1\n[policies.more]\norigins = ["https://more.example"]\n')
    assert "somebody has edited it by hand" in run(capsys, "build", "policies", "--out", "policies.json", status=1)


def test_threshold(here: Path, capsys: Captured) -> None:
    """Two people sign one after the other, and both signatures can be asked for."""
    for name in ("one.key", "two.key"):
        run(capsys, "keygen", name)
    run(capsys, "build", "policies", "--seq", "1", "--out", "p.json")
    run(capsys, "sign", "p.json", "--key", "one.key")
    both = ["--policies-key", "one.key.pub", "--policies-key", "two.key.pub", "--policies-key-threshold", "2"]
    assert "[bundle-unsigned]" in run(capsys, "verify", "p.json", *both, status=2)
    run(capsys, "sign", "p.json", "--key", "two.key", "--also")
    run(capsys, "verify", "p.json", *both)
    run(capsys, "build", "policies", "--seq", "2", "--out", "p.json")
    # Nobody signs what the envelope is not about.
    assert "[bundle-changed]" in run(capsys, "sign", "p.json", "--key", "two.key", "--also", status=2)


def test_also_after_its_time(here: Path, capsys: Captured) -> None:
    """Nobody signs an envelope that has expired; one that becomes valid later, as planned, is signed by both before."""
    for name in ("one.key", "two.key"):
        run(capsys, "keygen", name)
    run(capsys, "build", "policies", "--seq", "1", "--out", "p.json")
    data = (here / "p.json").read_bytes()
    key, place = KeyPair(here / "one.key", here / "one.key.pub"), here / f"p.json{SUFFIX}"
    place.write_bytes(sealed(data, read_bundle(data).head, [key], begins=-2 * HOUR, ends=-HOUR))
    before = place.read_bytes()
    told = run(capsys, "sign", "p.json", "--key", "two.key", "--also", status=2)
    assert "[bundle-expired]" in told
    assert place.read_bytes() == before
    run(capsys, "sign", "p.json", "--key", "one.key", "--not-before", "1d")
    run(capsys, "sign", "p.json", "--key", "two.key", "--also")


def test_verify_at_its_url(here: Path, capsys: Captured, site: Site, url: str) -> None:
    """A bundle is checked where replicas read it."""
    run(capsys, "keygen", "release.key")
    run(capsys, "build", "policies", "--seq", "42", "--out", "policies.json")
    run(capsys, "sign", "policies.json", "--key", "release.key")
    place = [f"{url}/policies.json", "--policies-key", "release.key.pub"]
    site.put({f"/{name}": (here / name).read_bytes() for name in ("policies.json", f"policies.json{SUFFIX}")})
    assert "change 42 is good" in run(capsys, "verify", *place)
    site.put(files(shop(7), []))
    assert "[bundle-unsigned]" in run(capsys, "verify", *place, status=2)
    site.files.clear()
    assert "[bundle-unsigned]" in run(capsys, "verify", *place, status=2)


def test_wrong_revision(here: Path, capsys: Captured) -> None:
    """A bundle whose policies are not those that it names is neither signed nor good."""
    run(capsys, "keygen", "release.key")
    run(capsys, "build", "policies", "--seq", "42", "--out", "p.json")
    told = json.loads((here / "p.json").read_bytes())
    told["document"]["policies"]["more"] = {"origins": ["*"]}
    (here / "p.json").write_text(json.dumps(told))
    assert "The policies are not those of change 42" in run(capsys, "sign", "p.json", "--key", "release.key", status=2)
    told["document"]["policies"]["more"] = {"origins": ["*/"]}
    (here / "p.json").write_text(json.dumps(told))
    assert "origin-" in run(capsys, "sign", "p.json", "--key", "release.key", status=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["build", "policies", "--out", "x"], "give the number with --seq N"),
        (["build", "policies", "--out", "x", "--seq", "0"], "0 is not a number from 1 to 9007199254740991"),
        (["build", "policies", "--out", "x", "--seq", "many"], "many is not a number from 1 to "),
        # As `date +%Y%m%d%H%M%S%N` gives it.
        (["build", "policies", "--out", "x", "--seq", "20261130050312123456789"], "is not a number from 1 to "),
        (["build", "policies", "--out", "x", "--seq", "9007199254740992"], "is not a number from 1 to "),
        (["build", "absent", "--out", "x", "--seq", "1"], "absent"),
        (["build", "policies", "--out", "absent/x", "--seq", "1"], "'absent/x' can't be written: No such"),
        (["build", "nats://host?secret", "--out", "x"], "nats:// is not a kind of store"),
        (["sign", "absent", "--key", "k"], "'absent': No such file or directory."),
        (["sign", "p.json", "--key", "absent"], "The private key 'absent' can't be read: No such file or directory."),
        (["sign", "p.json", "--key", "p.json"], "'p.json' is not a private key in PEM."),
        (
            ["sign", "p.json", "--key", "k", "--expires", "soon"],
            "'soon' is not a time such as 2026-12-31T00:00:00Z, and",
        ),
        (["sign", "p.json", "--key", "k", "--expires", "2020-01-01T00:00:00Z"], "it would have expired before"),
        # As of a variable that is not set.
        (["sign", "p.json", "--key", "k", "--expires", ""], "'' is not a time such as"),
        (["sign", "p.json", "--key", "k", "--not-before", "9d"], "it would have expired before"),
        (["sign", "p.json", "--key", "k", "--also", "--expires", "1h"], "the envelope stays what it is: leave out"),
        (["sign", "p.json", "--key", "k", "--also", "--not-before", "1h"], "the envelope stays what it is: leave out"),
        (["sign", "p.json", "--key", "k", "--also"], f"'p.json{SUFFIX}': No such file or directory."),
        (["verify", "p.json", "--policies-key", "k.pub"], f"'p.json{SUFFIX}': No such file or directory."),
        (["verify", "p.json", "--policies-key", "k"], "'k' is a private key, which only whoever signs may have"),
        (["verify", "p.json", "--policies-key", "k.pub", "--policies-key-threshold", "2"], "The threshold is 2"),
        (["verify", "http://example.com/p", "--policies-key", "k.pub"], "only https:// leads to other machines"),
        (
            ["verify", "postgresql://localhost/cors", "--policies-key", "k.pub"],
            "is not the URL of a bundle: write https",
        ),
        (["keygen", "absent/k"], "'absent/k' can't be written: No such file or directory."),
        ([], "the following arguments are required: ACTION"),
    ],
)
def test_what_cannot_be_done(here: Path, capsys: Captured, words: list[str], says: str) -> None:
    """Whatever is wrong is reported in a sentence, and nothing of a secret is in it."""
    run(capsys, "keygen", "k")
    run(capsys, "build", "policies", "--seq", "1", "--out", "p.json")
    told = run(capsys, *words, status=1)
    assert says in told
    assert "secret" not in told
    assert "Traceback" not in told
    assert not (here / "x").exists()
