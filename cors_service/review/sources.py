"""Where a set of policies is: in files, in a revision of git, or in a running service."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from cors_service.asking.address import parse_address
from cors_service.policy import PolicySet
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import Progress, read_together
from cors_service.review.revisions import AbsentError, read_revision
from cors_service.review.services import read_service

_SERVICE: Final = re.compile(r"https?://|unix:")


class NotReadableError(Exception):
    """A set can't be read, for another reason than mistakes in it."""


class NothingYetError(NotReadableError):
    """The revision of git is there, and has no such path."""


def read_source(
    text: str, limits: ReaderLimits, progress: Progress | None = None, token: str | None = None
) -> PolicySet:
    """Read the policies of a source.

    Args:
        text: A path; `REV:PATH`, as git writes it; or the address of a service, such as `http://127.0.0.1:8080`. What
            exists as a path is one.
        limits: What reading may take.
        progress: Is told how far it is.
        token: What is shown to a service that knows its callers.

    Raises:
        InvalidPolicies: The policies have mistakes.
        NothingYetError: The revision has no such path.
        NotReadableError: There are none to be read.
    """
    try:
        if _SERVICE.match(text):
            return read_service(parse_address(text), limits, token)
        revision, colon, path = text.partition(":")
        if colon and revision and not os.path.lexists(text):
            return read_revision(revision, path, limits, progress)
    except AbsentError as error:
        raise NothingYetError(f"{text!r} can't be read: {error}") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise NotReadableError(f"{text!r} can't be read: {why}") from None
    return read_together([Path(text)], limits, progress)


def address_of(text: str) -> str | None:
    """Give the URL of the service that a source is; None for files, for git, and for a Unix socket."""
    if not _SERVICE.match(text):
        return None
    address = parse_address(text)
    return None if address.socket else address.url
