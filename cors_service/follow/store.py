"""Which store is followed, and how."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

from cors_service.ledger.source import IStoreSource
from cors_service.ledger.urls import open_source, store_name

CONFIRM_SECONDS: Final = 2.0
"""How often a store is asked whether what is served is its newest."""


class StoreToFollow(Struct, frozen=True, kw_only=True):
    """A store that policies come from.

    Attributes:
        url: Its URL.
        confirm_interval: Seconds between two questions whether what is served is the newest.
        accept_rollback: Whether a start takes what is there even if it is older than what was served before.
        keys: For a bundle: the files with the keys that its signatures are checked against.
        key_threshold: For a bundle: how many of them must have signed it.
        is_unsigned: For a bundle: whether it may go without a signature.
    """

    url: str
    confirm_interval: float = CONFIRM_SECONDS
    accept_rollback: bool = False
    keys: tuple[str, ...] = ()
    key_threshold: int = 1
    is_unsigned: bool = False

    @property
    def name(self) -> str:
        """What people call it, without anything secret."""
        return store_name(self.url)

    def open(self) -> IStoreSource:
        """Make what reads it.

        Raises:
            NoSuchStore: The URL names no store.
        """
        return open_source(
            self.url,
            keys=tuple(map(Path, self.keys)),
            key_threshold=self.key_threshold,
            is_unsigned=self.is_unsigned,
        )

    def arguments(self) -> list[str]:
        """Write it as arguments of the process that follows it, but for the URL, which is the last one."""
        flags = [("--accept-rollback", self.accept_rollback), ("--unsigned", self.is_unsigned)]
        return [
            f"--confirm-interval={self.confirm_interval!r}",
            f"--key-threshold={self.key_threshold}",
            *(f"--key={key}" for key in self.keys),
            *(flag for flag, is_set in flags if is_set),
        ]

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Have a parser read what `arguments` writes."""
        parser.add_argument("url", help="the URL of the store")
        parser.add_argument("--confirm-interval", type=float, default=CONFIRM_SECONDS, help="seconds")
        parser.add_argument("--accept-rollback", action="store_true", help="take what is older than what was served")
        parser.add_argument("--key", action="append", default=[], help="a file with a key that signs a bundle")
        parser.add_argument("--key-threshold", type=int, default=1, help="how many keys must have signed a bundle")
        parser.add_argument("--unsigned", action="store_true", help="take a bundle without a signature")

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        """Make one of what such a parser has read."""
        return cls(
            url=options.url,
            confirm_interval=options.confirm_interval,
            accept_rollback=options.accept_rollback,
            keys=tuple(options.key),
            key_threshold=options.key_threshold,
            is_unsigned=options.unsigned,
        )
