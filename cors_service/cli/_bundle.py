"""`cors-service bundle`: policies as one signed file, for any web server to give out."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cors_service.bundle.envelope import (
    LONGEST,
    SUFFIX,
    Statement,
    check_not_expired,
    check_times,
    read_envelope,
    read_stated,
    seal,
    short_name,
    sign_also,
    stated,
    statement_about,
    verified,
    write_envelope,
)
from cors_service.bundle.form import Bundle, read_bundle, write_bundle
from cors_service.bundle.refusals import BundleRefused, KeyUnusable
from cors_service.bundle.source import MOST_BYTES, BundleSource
from cors_service.bundle.times import apart, read_moment, read_time, write_time
from cors_service.cli._at_stores import STORE, everything_at, named
from cors_service.cli._documents import read_whole
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_actions, add_command, add_links, given_path, reader_limits
from cors_service.grammar.mistakes import InvalidPolicies, plural
from cors_service.ledger.edits import as_document, bodies_of
from cors_service.ledger.entry import NO_ENTRY, Head
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, is_url
from cors_service.policy import read_document, revision
from cors_service.policy.change import LARGEST_SEQ
from cors_service.policy.revision import VERSION

_EPOCH: Final = "SOURCE_DATE_EPOCH"
"""The variable that says when what is built was made, for builds that give the same bytes again."""
_FROM: Final = "0s"
_VALID_FOR: Final = "7d"
_SECRET_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_PUBLIC: Final = ".pub"


class CannotDo(Exception):
    """A command can't do what it is asked for; the text says why."""


def add_bundle(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "bundle",
        "make a signed file of policies, for `twist cors --policies https://...`",
        "bundle keygen release.key",
        "bundle build policies --seq 42 --out policies.json",
        "bundle sign policies.json --key release.key --expires 7d",
        "bundle verify https://config.example.com/policies.json --policies-key release.key.pub",
    )
    actions = add_actions(parser)
    _add_build(actions)
    _add_sign(actions)
    _add_verify(actions)
    _add_keygen(actions)


def _add_build(actions: Commands) -> None:
    parser = add_command(
        actions,
        "build",
        "write the policies of a directory or of a store as a bundle; the same bytes for the same change",
        'bundle build policies --seq "$CI_PIPELINE_IID" --out policies.json',
        "bundle build postgresql://cors@db.internal/cors --out policies.json",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help=f"a document, a directory, or the URL of a store; by default, that in ${STORE}",
    )
    parser.add_argument("--out", required=True, type=given_path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--seq",
        type=_seq,
        metavar="N",
        help="the number of the change, where there is no ledger; it never goes back",
    )
    add_links(parser)
    parser.set_defaults(run=_reporting(_build))


def _add_sign(actions: Commands) -> None:
    parser = add_command(
        actions,
        "sign",
        f"sign a bundle: writes its envelope beside it, with {SUFFIX} after its name",
        "bundle sign policies.json --key release.key --expires 7d",
        "bundle sign policies.json --key second.key --also",
    )
    parser.add_argument("bundle", type=given_path, metavar="FILE", help="the bundle")
    parser.add_argument(
        "--key", required=True, action="append", type=given_path, metavar="FILE", help="a private key; repeatable"
    )
    parser.add_argument(
        "--expires",
        metavar="WHEN",
        help=f"until when replicas take it for the newest: 12h, 7d, or a time; by default, {_VALID_FOR}",
    )
    parser.add_argument("--not-before", metavar="WHEN", help="from when; by default, from now")
    parser.add_argument(
        "--also", action="store_true", help="add signatures to those of the envelope, which stays what it is otherwise"
    )
    parser.set_defaults(run=_reporting(_sign))


def _add_verify(actions: Commands) -> None:
    parser = add_command(
        actions,
        "verify",
        "say whether replicas would take a bundle",
        "bundle verify policies.json --policies-key release.key.pub",
    )
    parser.add_argument("bundle", metavar="WHERE", help="the bundle: a file, or its URL")
    parser.add_argument(
        "--policies-key",
        required=True,
        action="append",
        type=given_path,
        metavar="FILE",
        help="a public key; repeatable",
    )
    parser.add_argument(
        "--policies-key-threshold", type=_positive, default=1, metavar="N", help="how many of them must have signed; 1"
    )
    parser.set_defaults(run=_reporting(_verify))


def _add_keygen(actions: Commands) -> None:
    parser = add_command(
        actions,
        "keygen",
        "make a key: FILE, which nobody else may read, and FILE.pub for replicas",
        "bundle keygen release.key",
    )
    parser.add_argument("file", type=given_path, metavar="FILE", help="the file of the private key")
    parser.set_defaults(run=_reporting(_keygen))


def _reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Have a command report what it can't do, or refuses, in a sentence."""

    def reports(options: argparse.Namespace) -> int:
        try:
            return run(options)
        except InvalidPolicies as invalid:
            print(invalid.report(), file=sys.stderr)
        except BundleRefused as error:
            print(f"cors-service bundle: {error} [{error.code}]", file=sys.stderr)
            return REFUSED
        except (CannotDo, KeyUnusable, NoSuchStore, StoreUnavailable) as error:
            print(f"cors-service bundle: {error}", file=sys.stderr)
        except ModuleNotFoundError as error:
            print(f"cors-service bundle: {error.name} is not installed: install cors-service[bundle].", file=sys.stderr)
        except OSError as error:
            print(f"cors-service bundle: {error.filename!a}: {error.strerror}.", file=sys.stderr)
        return FAILED

    return reports


def _build(options: argparse.Namespace) -> int:
    options.source = named(options.source, options.parser, "name a document, a directory or a store")
    bundle = _of_store(options) if is_url(options.source) else _of_documents(options)
    _put(options.out, write_bundle(bundle), _PUBLIC_MODE)
    count = sum(key.kind == "policy" for key in bundle.bodies)
    policies = f"{count} {plural(count, 'policy', 'policies')}"
    print(f"{options.out}: change {bundle.head.seq}, {policies}, {bundle.head.revision}")
    return ALLOWED


def _of_store(options: argparse.Namespace) -> Bundle:
    if options.seq is not None:
        raise CannotDo("--seq is for documents without a ledger: a store numbers its changes itself.")
    everything = everything_at(options.source)
    return _checked(Bundle(everything.head, everything.bodies))


def _of_documents(options: argparse.Namespace) -> Bundle:
    path = Path(options.source)
    document, policy_set = read_whole(path, reader_limits(options))
    bodies = bodies_of(document)
    name = revision(policy_set)
    if options.seq is not None:
        return Bundle(Head(seq=options.seq, revision=name, entry=NO_ENTRY, format=VERSION, at=_made_at()), bodies)
    head = _head_of_ledger(path)
    if head is None:
        raise CannotDo(
            f"{options.source!a} has no ledger that numbers its changes: give the number with --seq N, such as that of "
            "the pipeline's run; it must grow with each bundle."
        )
    if head.revision != name:
        raise CannotDo(
            f"{options.source!a} does not hold what change {head.seq} of its ledger led to: somebody has edited it by "
            "hand. Start cors-admin, which makes that a change."
        )
    return Bundle(head, bodies)


def _head_of_ledger(path: Path) -> Head | None:
    if not path.is_dir():
        return None
    # Imported late: it needs Unix.
    from cors_service.ledger.files import LedgerFiles

    try:
        return LedgerFiles(path).head()
    except ValueError:
        raise CannotDo(f"The ledger of {str(path)!a} can't be read: run `cors-service ledger verify`.") from None


def _made_at() -> str:
    """When the documents were made, as far as somebody says so: then the bundle is the same bytes again."""
    text = os.environ.get(_EPOCH)
    if text is None:
        return write_time(_now())
    try:
        return write_time(datetime.fromtimestamp(int(text), UTC))
    except (ValueError, OverflowError, OSError):
        raise CannotDo(f"{_EPOCH} must be the seconds since 1970, not {text!a}.") from None


def _sign(options: argparse.Namespace) -> int:
    from cors_service.bundle.keys import read_signer

    data = _read(options.bundle, MOST_BYTES)
    bundle = _checked(read_bundle(data))
    place = _beside(options.bundle)
    signers = dict(map(read_signer, options.key))
    if options.also:
        if options.expires is not None or options.not_before is not None:
            options.parser.error("with --also, the envelope stays what it is: leave out --expires and --not-before.")
        envelope = sign_also(read_envelope(_read(place, LONGEST)), signers)
        statement = stated(envelope)
        # It may well be valid from later on.
        check_not_expired(statement, _now())
        read_stated(statement, data)
    else:
        statement = _statement(options, data, bundle)
        envelope = seal(statement, signers)
    _put(place, write_envelope(envelope), _PUBLIC_MODE)
    names = ", ".join(short_name(one.keyid) for one in envelope.signatures)
    times = f"{statement.not_before} to {statement.expires}"
    print(f"{place}: change {bundle.head.seq}, valid from {times}, signed by {names}")
    return ALLOWED


def _statement(options: argparse.Namespace, data: bytes, bundle: Bundle) -> Statement:
    now = _now()
    begins_at = _FROM if options.not_before is None else options.not_before
    ends_at = _VALID_FOR if options.expires is None else options.expires
    try:
        begins, ends = read_moment(begins_at, now), read_moment(ends_at, now)
    except ValueError as error:
        options.parser.error(f"{error}.")
    if not begins < ends > now:
        options.parser.error("it would have expired before it is valid: give a later time with --expires.")
    return statement_about(data, bundle.head, begins, ends)


def _verify(options: argparse.Namespace) -> int:
    keys, threshold = options.policies_key, options.policies_key_threshold
    if is_url(options.bundle):
        source = BundleSource(options.bundle, keys=keys, key_threshold=threshold)
        try:
            everything = source.everything()
        finally:
            source.close()
        bundle, ends = Bundle(everything.head, everything.bodies), ""
    else:
        from cors_service.bundle.keys import read_trust

        path, trust = Path(options.bundle), read_trust(keys, threshold)
        statement = verified(_read(_beside(path), LONGEST), trust)
        check_times(statement, _now())
        bundle = read_stated(statement, _read(path, MOST_BYTES))
        ends = f", for {apart(read_time(statement.expires) - _now())} more"
    _checked(bundle)
    print(f"{options.bundle}: change {bundle.head.seq} is good{ends}. {bundle.head.revision}")
    return ALLOWED


def _checked(bundle: Bundle) -> Bundle:
    """Check that a bundle has the policies that its head names.

    Raises:
        InvalidPolicies: They have mistakes.
        BundleRefused: They are others.
    """
    found = revision(read_document(as_document(bundle.bodies)))
    if found != bundle.head.revision:
        raise BundleRefused(
            f"The policies are not those of change {bundle.head.seq}: they have the revision {found}, and it names "
            f"{bundle.head.revision}.",
            "bundle-changed",
        )
    return bundle


def _keygen(options: argparse.Namespace) -> int:
    from cors_service.bundle.keys import new_key

    private, public, name = new_key()
    beside = Path(f"{options.file}{_PUBLIC}")
    for path in (options.file, beside):
        if os.path.lexists(path):
            raise CannotDo(f"{str(path)!a} exists, and a key is never overwritten: name another file.")
    _put(options.file, private, _SECRET_MODE)
    _put(beside, public, _PUBLIC_MODE)
    print(f"{options.file}: the key {short_name(name)}; keep it where bundles are signed, and nowhere else")
    print(f"{beside}: for --policies-key of replicas")
    return ALLOWED


def _beside(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most + 1)


def _put(path: Path, data: bytes, mode: int) -> None:
    """Write a file in one step: who reads it meanwhile gets what was there, or all of what is new.

    Raises:
        CannotDo: It can't be written.
    """
    try:
        _replace(path, data, mode)
    except OSError as error:
        # It would name the file that was to become this one.
        raise CannotDo(f"{str(path)!a} can't be written: {error.strerror}.") from None


def _replace(path: Path, data: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return int(text)


def _seq(text: str) -> int:
    # int() itself refuses thousands of digits, in words of its own.
    if not text.isdecimal() or len(text) > len(str(LARGEST_SEQ)) or not 1 <= int(text) <= LARGEST_SEQ:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {LARGEST_SEQ}")
    return int(text)
