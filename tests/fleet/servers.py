"""The stores that a fleet is proved on, and their faults: a pair of PostgreSQL, three members of etcd."""

from __future__ import annotations

import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from threading import Event
from typing import Final

from tests.e2e.daemons import wait_for
from tests.e2e.stores.etcd.members import Cluster
from tests.e2e.stores.postgresql.servers import OWNER, PASSWORD, Server, place

Fault = Callable[[Random], None]
"""Does something to a server, and mends it."""
_SYNCHRONOUS: Final = """\
SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')
"""


class Servers(ABC):
    """The servers of a store, which run.

    Attributes:
        name: What people call the store.
        faults: What may happen to them, by a name for people.
    """

    name: str
    faults: Mapping[str, Fault]

    @abstractmethod
    def url(self) -> str:
        """Give the URL of a store of its own, in which there is nothing."""

    def pause(self, chance: Random, least: float, most: float) -> None:
        """Leave something as it is for a while."""
        Event().wait(chance.uniform(least, most))


class Pair(Servers):
    """A primary of PostgreSQL and a standby, which has each change before anybody hears that it is made."""

    name = "PostgreSQL"

    def __init__(self, directory: Path) -> None:
        """Start them."""
        settings = {"synchronous_commit": "on", "max_connections": "100"}
        self._primary, self._standby = (Server(directory / name, settings) for name in ("one", "two"))
        self._directory = directory
        self._numbers = count(1)
        self._credentials = directory / "credentials.toml"
        self._credentials.write_text(f'user = "{OWNER}"\npassword = "{PASSWORD}"\n', encoding="utf-8")
        self.faults = {
            "backends killed": lambda _: self._kill_backends(),
            "primary frozen (SIGSTOP)": self._freeze_primary,
            "standby frozen (SIGSTOP)": self._freeze_standby,
            "primary killed, standby promoted": lambda _: self._promote(),
        }
        self._primary.make()
        self._primary.start()
        self._stand_by()

    def url(self) -> str:
        """Make a database, and give its URL, which names both servers."""
        name = f"fleet{next(self._numbers)}"
        self._primary.sql("postgres", f"CREATE DATABASE {name}")
        ports = sorted(server.port for server in (self._primary, self._standby))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{hosts}/{name}?credentials={self._credentials}"

    def stop(self) -> None:
        """End both."""
        for server in (self._standby, self._primary):
            server.stop(signal.SIGQUIT)

    def _stand_by(self) -> None:
        """Make a standby of the primary; from then on, no change is made that it does not have."""
        shutil.rmtree(self._standby.data, ignore_errors=True)
        self._standby.copy_of(self._primary)
        self._standby.start()
        self._primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._primary.sql("postgres", "SELECT pg_reload_conf()")
        self._wait()

    def _wait(self) -> None:
        wait_for(lambda: self._primary.sql("postgres", _SYNCHRONOUS) == [1], "the standby")

    def _kill_backends(self) -> None:
        self._primary.kill_backends()

    def _freeze_primary(self, chance: Random) -> None:
        self._primary.freeze()
        self.pause(chance, 0.5, 6)
        self._primary.let_go()
        self._wait()

    def _freeze_standby(self, chance: Random) -> None:
        self._standby.freeze()
        self.pause(chance, 0.2, 2)
        self._standby.let_go()
        self._wait()

    def _promote(self) -> None:
        # Whoever promotes a standby that lacks something loses that.
        self._wait()
        self._primary.stop(signal.SIGQUIT)
        self._standby.promote()
        self._primary, self._standby = self._standby, self._primary
        self._stand_by()


class Members(Servers):
    """Three members of etcd."""

    name = "etcd"

    def __init__(self, directory: Path) -> None:
        """Start them."""
        self._cluster = Cluster(directory / "members", 3)
        self._numbers = count(1)
        self.faults = {
            "member killed": lambda chance: self._kill(chance, 1),
            "two members killed": lambda chance: self._kill(chance, 2),
            "member frozen (SIGSTOP)": self._freeze,
            "compaction": lambda _: self._cluster.compact(self._cluster.revision()),
        }
        self._cluster.start()

    def url(self) -> str:
        """Give the URL of a prefix, which names all members."""
        return self._cluster.url(f"/fleet-{next(self._numbers)}")

    def stop(self) -> None:
        """End all."""
        self._cluster.stop()

    def _kill(self, chance: Random, how_many: int) -> None:
        for member in chance.sample(self._cluster.members, how_many):
            member.kill()
        self.pause(chance, 0.2, 3)
        self._cluster.start()

    def _freeze(self, chance: Random) -> None:
        member = chance.choice(self._cluster.members)
        member.pause()
        self.pause(chance, 0.5, 6)
        member.go_on()
        self._cluster.wait()


@contextmanager
def postgresql() -> Iterator[Pair]:
    """Run a pair of PostgreSQL."""
    with place() as directory:
        pair = Pair(directory)
        try:
            yield pair
        finally:
            pair.stop()


@contextmanager
def etcd() -> Iterator[Members]:
    """Run three members of etcd."""
    with place() as directory:
        members = Members(directory)
        try:
            yield members
        finally:
            members.stop()


STORES: Final = {"postgresql": postgresql, "etcd": etcd}
