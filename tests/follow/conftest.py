"""What tests of services that follow a store have in common: the lines that go to the log."""

from tests.store.conftest import logged

__all__ = ["logged"]
