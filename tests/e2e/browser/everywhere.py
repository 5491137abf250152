"""The same work in all engines at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from cors_service.browser import ENGINES, Behaviour

from .engines import Browser, running_engine
from .prediction import Service
from .setting import Application, running_application

_Done = TypeVar("_Done")


@contextmanager
def in_each_engine(
    work: Callable[[Behaviour, Path], _Done], directories: pytest.TempPathFactory
) -> Iterator[Mapping[Behaviour, Future[_Done]]]:
    """Let each engine work, until the block ends.

    Args:
        work: What to do with an engine, and a directory for profiles and logs.
        directories: Where these may lie.

    Yields:
        What came of it in each engine; one that is not installed ends the test that asks for its result.
    """
    with ThreadPoolExecutor(len(ENGINES)) as pool:
        yield {engine: pool.submit(work, engine, directories.mktemp(engine.value)) for engine in ENGINES}


@dataclass(frozen=True)
class Stage:
    """What a browser has to itself.

    Attributes:
        browser: The browser.
        application: What its pages ask.
        service: What decides for that.
    """

    browser: Browser
    application: Application
    service: Service


def on_stage(work: Callable[[Stage], _Done]) -> Callable[[Behaviour, Path], _Done]:
    """Give work that sets the stage for itself."""

    def done(engine: Behaviour, directory: Path) -> _Done:
        (own := directory / "browser").mkdir()
        with running_engine(engine, own) as browser, running_application(directory) as (application, service):
            return work(Stage(browser, application, service))

    return done
