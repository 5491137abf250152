"""`cors-service explain`: why a page is blocked, step by step, and what mends it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from cors_service.access.files import read_small_file, why_unreadable
from cors_service.asking.arguments import check_policy
from cors_service.browser import recognise
from cors_service.cli._colours import BAD, GOOD, painted
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_command, add_links, given_path, given_unicode, reader_limits
from cors_service.decision import BadQuery
from cors_service.explain import Documents, Explanation, PageRequest, explain, explain_answers
from cors_service.explain.exchange import CREDENTIALS, MODES, origin_of, url_of
from cors_service.explain.explanation import Outcome
from cors_service.explain.har import LARGEST, Recorded, read_har
from cors_service.explain.messages import message_as_dict, message_in_text, unrecognised
from cors_service.explain.text import in_text, in_text_all
from cors_service.explain.written import in_json, in_json_all
from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import Source
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import read_texts, within_limits
from cors_service.wire.json_text import write_json

_COLOURS: Final[dict[Outcome, str]] = {"readable": GOOD, "blocked": BAD}


def add_explain(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "explain",
        "say why a page is blocked, step by step, and what mends it; exit status 2 if it is blocked",
        "explain --policies policies.toml --page https://app.example.com --url https://api.example.com/orders/7 -X PUT",
        'explain --message "$(cat sentence.txt)"',
        "explain --har session.har",
    )
    parser.add_argument("--policies", type=given_path, metavar="PATH", help="a document or a directory")
    add_links(parser)
    parser.add_argument("--page", metavar="URL", help="the page that asks: its URL, or its origin")
    parser.add_argument("--url", type=given_unicode, metavar="URL", help="the URL that it asks for")
    parser.add_argument("-X", "--method", default="GET", metavar="M", help="the method; GET by default")
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="LINE",
        help="a header that the page sets, such as 'Content-Type: application/json'; repeatable",
    )
    parser.add_argument(
        "--credentials",
        choices=CREDENTIALS,
        default="same-origin",
        help="whether the page sends cookies: same-origin, which is the default of fetch(), include or omit",
    )
    parser.add_argument("--mode", choices=MODES, default="cors", help="the mode of the request; cors by default")
    parser.add_argument("--policy", metavar="NAME", help="the policy to decide by; by default the URL finds it")
    parser.add_argument(
        "--har",
        type=given_path,
        metavar="FILE",
        help="explain every request of a recorded session, as the developer tools export it",
    )
    parser.add_argument(
        "--message",
        type=given_unicode,
        metavar="TEXT",
        help="say what a sentence from a console means, and what to look at",
    )
    parser.add_argument("--json", action="store_true", help="print the explanation for programs")
    parser.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    if options.message is not None:
        return _explain_message(options)
    needed = () if options.har else ("policies", "page", "url")
    missing = [f"--{name}" for name in needed if getattr(options, name) is None]
    if missing:
        options.parser.error(f"the following arguments are required: {', '.join(missing)}")
    try:
        report = _report(options)
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except (OSError, ValueError) as error:
        unread = f"{error.filename!a} can't be read: " if isinstance(error, OSError) and error.filename else ""
        print(f"cors-service explain: {unread}{why_unreadable(error)}", file=sys.stderr)
        return FAILED
    print(report.text)
    if report.left_out:
        left_out = f"{report.left_out} requests are left out"
        print(f"{left_out}: no page made them over HTTP, or they can't be read.", file=sys.stderr)
    return ALLOWED if report.passes else REFUSED


def _explain_message(options: argparse.Namespace) -> int:
    """Say what a console meant, as people have copied it."""
    recognised = recognise(options.message)
    if recognised is None:
        print(f"cors-service explain: {unrecognised()}", file=sys.stderr)
        return FAILED
    written = write_json(message_as_dict(recognised)).decode("utf-8") if options.json else message_in_text(recognised)
    print(written)
    return ALLOWED


class _Report(Struct, frozen=True):
    """What there is to say.

    Attributes:
        text: What is printed.
        passes: Whether the page can read every answer.
        left_out: How many requests of a recording it says nothing about.
    """

    text: str
    passes: bool
    left_out: int = 0


def _report(options: argparse.Namespace) -> _Report:
    """Explain what is asked for.

    Raises:
        InvalidPolicies: The policies have mistakes.
        OSError: A file can't be read.
        ValueError: A file is something else, or nobody can ask this.
    """
    documents = None if options.policies is None else read_documents(options.policies, reader_limits(options))
    if documents is not None:
        check_policy(options.policy, documents.policy_set)
    if options.har is not None:
        return _session(options, documents)
    assert documents is not None
    with Progress("Explaining"):
        explanation = explain(_exchange(options), documents)
    text = in_json(explanation).decode("utf-8") if options.json else in_text(explanation, _painted)
    return _Report(text, explanation.passes)


def _session(options: argparse.Namespace, documents: Documents | None) -> _Report:
    """Explain every request of a recording: by the policies that its URL finds, or else by the recorded answers."""
    session = read_har(_recording(options.har))
    with Progress("Explaining") as progress:
        explanations = []
        for count, one in enumerate(session.recorded, 1):
            explanations.append(_explanation(one, documents, options.policy))
            progress(count, len(session.recorded))
    text = in_json_all(explanations).decode("utf-8") if options.json else in_text_all(explanations, _painted)
    return _Report(text, all(one.passes for one in explanations), session.left_out)


def _recording(path: Path) -> bytes:
    try:
        return read_small_file(path, LARGEST)
    except ValueError as error:
        raise ValueError(f"{str(path)!a} can't be read: {error}") from None


def _explanation(recorded: Recorded, documents: Documents | None, policy: str | None) -> Explanation:
    exchange = structs.replace(recorded.exchange, policy=policy)
    if documents is None:
        return explain_answers(exchange, recorded.answers)
    try:
        if policy is None:
            documents.active.policy_for(exchange.url)
    except BadQuery:
        # It is none of the services that the policies are about.
        return explain_answers(exchange, recorded.answers)
    return explain(exchange, documents, recorded.answers)


def _exchange(options: argparse.Namespace) -> PageRequest:
    return PageRequest(
        page=origin_of(options.page),
        url=url_of(options.url),
        method=options.method,
        headers=tuple(options.header),
        credentials=options.credentials,
        mode=options.mode,
        policy=options.policy,
    )


def read_documents(path: Path, limits: ReaderLimits) -> Documents:
    """Read the documents of a file or a directory, with their texts.

    Raises:
        InvalidPolicies: They have mistakes.
    """

    def read() -> Documents:
        texts = read_texts([path], limits)
        sources = [one for one in texts if isinstance(one, Source)]
        return Documents(sources, unreadable=[one for one in texts if isinstance(one, PolicyError)])

    return within_limits(limits, path, read)


def _header(line: str) -> tuple[str, str]:
    """Read a header line.

    Raises:
        argparse.ArgumentTypeError: It has no colon.
    """
    name, colon, value = line.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"'{line}' is not a header line such as 'X-Trace: 1'")
    return name.strip(), value.strip()


def _painted(text: str, outcome: Outcome) -> str:
    return painted(text, _COLOURS[outcome], sys.stdout) if outcome in _COLOURS else text
