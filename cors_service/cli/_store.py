"""`cors-service store`: make ready what a fleet keeps its policies in."""

from __future__ import annotations

import argparse
import json
import sys

from cors_service.cli._at_stores import STORE, named
from cors_service.cli._status import ALLOWED, FAILED
from cors_service.cli.arguments import Commands, add_actions, add_command
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, prepare_store, store_name


def add_store(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "store",
        "make a store ready for policies: its schema and its roles; may be repeated, and says what it did",
        "store init 'postgresql://owner@db.internal/cors?credentials=owner.toml'",
    )
    init = add_command(
        add_actions(parser),
        "init",
        "make its schema and its roles, or whatever else it needs and lacks",
        "store init etcd://etcd.internal/cors",
    )
    init.add_argument("url", metavar="URL", nargs="?", help=f"the URL of the store; by default, that in ${STORE}")
    init.add_argument("--json", action="store_true", help="print what was done for programs")
    init.set_defaults(run=_store)


def _store(options: argparse.Namespace) -> int:
    try:
        url = named(options.url, options.parser, "name the URL of the store")
        done = prepare_store(url)
    except (NoSuchStore, StoreUnavailable) as error:
        print(f"cors-service store: {error}", file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps({"store": store_name(url), "done": done}))
    else:
        print("\n".join(done))
    return ALLOWED
