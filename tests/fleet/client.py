"""A client that asks all replicas all the time, and writes down what they answer: a process of its own."""

from __future__ import annotations

import gc
import http.client
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from random import Random
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, cast

import msgspec

from tests.fleet.judging import Answer
from tests.fleet.model import Question, Verdict, draw_question

INTERVAL: Final = 0.03
"""Seconds between two questions of a client to a replica."""
_BATCH: Final = 10
"""One request of so many asks several questions."""
_QUESTIONS: Final = 8
_PATIENCE: Final = 30.0
_ANSWERED: Final = ("allowed", "refused", "no-policy")


class Asking(NamedTuple):
    """What a client needs to know.

    Attributes:
        seed: What its questions are drawn from.
        ports: Those of the replicas.
        path: The file for the answers.
        interval: Seconds between two questions to a replica.
    """

    seed: str
    ports: Sequence[int]
    path: Path
    interval: float = INTERVAL


@contextmanager
def clients(askings: Sequence[Asking]) -> Iterator[None]:
    """Let clients ask until the block ends; it begins when each has an answer of every replica.

    Behind it, all that they have heard is in their files.
    """
    context = multiprocessing.get_context("spawn")
    over, begun = context.Event(), context.Semaphore(0)
    processes = [context.Process(target=ask_all, args=(asking, over, begun), daemon=True) for asking in askings]
    for process in processes:
        process.start()
    try:
        for _ in (port for asking in askings for port in asking.ports):
            assert begun.acquire(timeout=2 * _PATIENCE), "a client has no answer"
        yield
    finally:
        over.set()
        for process in processes:
            process.join(2 * _PATIENCE)
            assert process.exitcode == 0, f"a client ended with {process.exitcode}"


def ask_all(asking: Asking, over: Event, begun: Semaphore) -> None:
    """Ask all replicas until it is over, each in a thread; `begun` is released by each at its first answer."""
    # A pause of this process would count as one of a replica.
    gc.disable()
    lock = Lock()
    with asking.path.open("wb") as file:
        threads = [
            Thread(target=_ask_one, args=(asking, replica, over, begun, lambda line: _write(file, lock, line)))
            for replica in range(len(asking.ports))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _write(file: Any, lock: Lock, line: bytes) -> None:
    with lock:
        file.write(line + b"\n")


def _ask_one(asking: Asking, replica: int, over: Event, begun: Semaphore, write: Any) -> None:
    chance = Random(f"{asking.seed}/{replica}")
    connection = http.client.HTTPConnection("127.0.0.1", asking.ports[replica], timeout=_PATIENCE)
    due = time.monotonic() + chance.random() * asking.interval
    number = answers = 0
    while not over.wait(max(due - time.monotonic(), 0)):
        number += 1
        sent = time.monotonic()
        count = _QUESTIONS if number % _BATCH == 0 else 1
        asked = [draw_question(chance) for _ in range(count)]
        with suppress(OSError, http.client.HTTPException):
            verdicts, revisions = ask(connection, asked)
            received = time.monotonic()
            answers += 1
            if answers == 1:
                begun.release()
            # Before there are policies, an answer has no revision, and must not let anything through.
            if revisions or "allowed" in verdicts:
                write(msgspec.json.encode(Answer(replica, sent, received, received - due, asked, verdicts, revisions)))
            # What would have been asked meanwhile is asked now, and late.
            due += asking.interval
            continue
        # It was killed, or is being started.
        connection.close()
        due = time.monotonic() + asking.interval


def ask(connection: http.client.HTTPConnection, asked: Sequence[Question]) -> tuple[list[Verdict], list[str]]:
    """Ask a replica.

    Args:
        connection: One to it.
        asked: One question is asked as proxies do, several in one request.

    Returns:
        The verdicts in their order, and each revision that is named; none if it has no policies yet.
    """
    if len(asked) > 1:
        return _ask_several(connection, asked)
    [question] = asked
    headers = {"Origin": question.origin, "X-Original-Method": question.method}
    connection.request("GET", f"/v1/auth-request/{question.policy}", headers=headers)
    response = connection.getresponse()
    response.read()
    revision = response.headers["Cors-Policy-Revision"]
    return [_verdict(question, response)], [] if revision is None else [revision]


def _verdict(question: Question, response: http.client.HTTPResponse) -> Verdict:
    """What an answer comes to in a browser, whatever it says beside."""
    if response.headers["Access-Control-Allow-Origin"] in (question.origin, "*"):
        return "allowed"
    said = response.headers["Cors-Decision"]
    return cast("Verdict", said) if said in _ANSWERED[1:] else "refused"


def _ask_several(connection: http.client.HTTPConnection, asked: Sequence[Question]) -> tuple[list[Verdict], list[str]]:
    queries = [{"policy": one.policy, "origin": one.origin, "method": one.method} for one in asked]
    connection.request("POST", "/v1/decisions", json.dumps({"queries": queries}), {"Content-Type": "application/json"})
    decisions = json.loads(connection.getresponse().read()).get("decisions", [])
    verdicts: list[Verdict] = []
    for decision in decisions:
        if "error" in decision:
            verdicts.append("no-policy")
        else:
            verdicts.append("allowed" if decision["allowed"] else "refused")
    return verdicts, sorted({decision["revision"] for decision in decisions if "error" not in decision})
