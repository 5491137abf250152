"""What is wrong with a store, in a sentence that says what to do and contains no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import errors

from cors_service.grammar.mistakes import cut
from cors_service.postgresql.address import SECONDS, Address

BROKEN: Final = "store-ledger-broken"
DIFFERS: Final = "store-revision-differs"
DOES_NOT_LOAD: Final = "store-does-not-load"

INIT: Final = "`cors-service store init URL`"
SILENT: Final = f"does not answer within {SECONDS} seconds: see whether the server is stopped or the network is down."
_NO_SCHEMA: Final = f"has no schema of cors-service in this database: run {INIT}, or name another database."
_LOCKED: Final = (
    "is being written by somebody else who does not finish, or waits for a synchronous standby: see pg_stat_activity. "
    "Try again in two seconds."
)
_LONGEST: Final = 200

_NAME: Final = re.compile(r"""\"[^"\n]*"|'[^'\n]*'""")
"""What they name, such as a host or a file: no word in it is a reason."""

# What libpq and the server say before there is a connection: it has no code then, unlike later.
_CONNECTING: Final[tuple[tuple[str, str], ...]] = (
    ("no password supplied", "asks {user} for a password: put it into the file that ?credentials=FILE names."),
    ("password authentication failed", "refuses the password of {user}: correct it in the file of ?credentials=FILE."),
    ("certificate authentication failed", "does not accept this certificate for {user}: see ?sslcert=FILE."),
    ("authentication failed", "does not accept {user} in this way: see pg_hba.conf of the server."),
    ("role .* does not exist", "has no {user}: create it, or name another in the URL."),
    ("not permitted to log in", "does not let {user} log in: ALTER ROLE ... LOGIN, or name another."),
    ("database .* does not exist", "has no database {database}: create it, or name another in the URL."),
    ("permission denied for database", "does not let {user} into the database {database}: GRANT CONNECT."),
    ("no pg_hba.conf entry", "does not let {user} into {database} from here: add a line to pg_hba.conf."),
    (
        "certificate verify failed|root certificate file",
        "shows a certificate that can't be verified: name the file of its authority as ?sslrootcert=FILE.",
    ),
    ("does not match host name", "shows a certificate for another host: name the host that is in it."),
    ("certificate file|private key file", "needs a certificate that can't be read here: see ?sslcert= and ?sslkey=."),
    ("tlsv1 alert|sslv3 alert|requires a valid client certificate", "wants another certificate: see ?sslcert=FILE."),
    ("does not support SSL", "does not speak TLS, and ?sslmode= demands it: switch it on at the server."),
    ("SSL", "can't agree with this program on TLS: see ?sslmode= and ?sslrootcert= in the URL."),
    ("could not translate host name|Name or service not known|resolve", "has an unknown host: correct its name."),
    ("Connection refused", "does not listen there: start it, or correct the host and the port."),
    ("No such file or directory", "has no socket there: start it, or correct the directory of the socket."),
    ("No route to host|unreachable", "can't be reached from here: see the network."),
    ("starting up|shutting down|recovery", "is starting or stopping; it is asked again."),
    ("too many clients|connection slots|too many connections", "has no connection left: raise max_connections."),
    (
        "session is read-only|is in hot standby mode|not in hot standby",
        "is not the kind of server that the URL asks for.",
    ),
    ("timeout|timed out", SILENT),
    ("terminating connection|closed the connection|reset by peer", "has closed the connection. It is asked again."),
)

_LATER: Final[tuple[tuple[type[psycopg.Error], str], ...]] = (
    (errors.UndefinedTable, _NO_SCHEMA),
    (errors.InvalidSchemaName, _NO_SCHEMA),
    (errors.UndefinedColumn, f"has another schema than cors-service has: run {INIT}."),
    (
        errors.InsufficientPrivilege,
        "does not let {user} do that: grant it cors_reader to read, or cors_writer to write.",
    ),
    (errors.LockNotAvailable, _LOCKED),
    (errors.DiskFull, "has no room on its disk: make some. Until then, nothing is written."),
    (errors.ReadOnlySqlTransaction, "takes no changes: it is a standby or read-only. Name the primary, or wait."),
    (errors.QueryCanceled, "takes too long: see whether it is overloaded. It is asked again."),
    (errors.AdminShutdown, "has closed the connection. It is asked again."),
    (errors.CrashShutdown, "has crashed. It is asked again."),
    (errors.CannotConnectNow, "is starting or stopping; it is asked again."),
    (errors.IdleInTransactionSessionTimeout, "has closed a connection that waited too long. Try again."),
)


def not_connected(address: Address, options: Mapping[str, Any], error: psycopg.Error) -> str:
    """Say why there is no connection.

    Args:
        address: Where to.
        options: What libpq was given.
        error: What it says.
    """
    text = str(error)
    reason = _NAME.sub("", text)
    found = (sentence for pattern, sentence in _CONNECTING if re.search(pattern, reason, re.IGNORECASE))
    sentence = next(found, f"can't be reached: {_said(text, options)}.")
    words = {"user": _user(options), "database": str(options.get("dbname"))}
    return f"{address.name} {_filled(sentence, words)}"


def failed(address: Address, options: Mapping[str, Any], error: psycopg.Error) -> str:
    """Say why something can't be done with a connection.

    Args:
        address: Where it leads.
        options: What libpq was given.
        error: What went wrong.
    """
    for kind, sentence in _LATER:
        if isinstance(error, kind):
            return f"{address.name} {_filled(sentence, {'user': _user(options)})}"
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return f"{address.name} has closed the connection. It is asked again."
    return f"{address.name} can't be used: {_said(str(error), options)}."


def standby(address: Address) -> str:
    """Say that nobody knows what is newest."""
    return f"{address.name} is a standby, so it may lack the newest change: name the primary in the URL, too."


def _user(options: Mapping[str, Any]) -> str:
    # Without one, libpq takes it from PGUSER, a service file or the account of the process.
    return f"user {options['user']}" if options.get("user") else "the default user"


def _filled(sentence: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        sentence = sentence.replace(f"{{{name}}}", cut(ascii(word)[1:-1], _LONGEST))
    return sentence


def _said(text: str, options: Mapping[str, Any]) -> str:
    """The first line of what a program says, without anything secret."""
    lines = text.strip().splitlines()
    line = lines[0] if lines else "no reason is given"
    for key in ("password", "sslpassword"):
        secret = options.get(key)
        if secret:
            line = line.replace(str(secret), "(secret)")
    return cut(ascii(line)[1:-1].rstrip("."), _LONGEST)
