"""What etcd's errors mean, and what to do about them."""

from __future__ import annotations

from typing import Final

from cors_service.etcd.address import Address
from cors_service.grammar.mistakes import cut, shown
from cors_service.ledger.kept import StoreUnavailable

# The codes of gRPC (google.golang.org/grpc/codes): what another member, or a later time, may answer otherwise.
_PASSING: Final = {4, 10, 14}
_UNAUTHENTICATED: Final = 16

# Out of etcd's api/v3rpc/rpctypes/error.go.
_COMPACTED: Final = "required revision has been compacted"
_FUTURE: Final = "required revision is a future revision"
_NO_SPACE: Final = "database space exceeded"
_TOO_LARGE: Final = "request is too large"
_TOO_MANY: Final = "too many requests"
_OPERATIONS: Final = "too many operations in txn request"
_OLD_TOKEN: Final = ("invalid auth token", "revision of auth store is old", "revision in header is old")
_NO_AUTH: Final = "authentication is not enabled"
_NOBODY: Final = "user name is empty"
_WRONG_PASSWORD: Final = "authentication failed"
_DENIED: Final = "permission denied"
# Of embed/serve.go: the gateway would take a certificate for its own user.
_COMMON_NAME: Final = "CommonName of client"
_LONGEST: Final = 200


class Refused(StoreUnavailable):
    """Etcd answered with an error.

    Attributes:
        message: In etcd's words.
    """

    def __init__(self, sentence: str, message: str) -> None:
        super().__init__(sentence)
        self.message = message

    @property
    def is_history(self) -> bool:
        """Whether etcd does not have the revision that was asked for: compacted, or of another history."""
        return _COMPACTED in self.message or _FUTURE in self.message

    @property
    def is_unused_user(self) -> bool:
        """Whether it does not ask who somebody is."""
        return _NO_AUTH in self.message


def is_passing(code: int, message: str) -> bool:
    """Whether another member may answer, or this one later.

    Args:
        code: The code of gRPC.
        message: In etcd's words.
    """
    return code in _PASSING or _TOO_MANY in message


def is_old_token(code: int, message: str) -> bool:
    """Whether who asks has to sign in again."""
    return code == _UNAUTHENTICATED or any(one in message for one in _OLD_TOKEN)


def is_nobody(message: str) -> bool:
    """Whether who asks shows no token, and needs one."""
    return _NOBODY in message


def is_denied(message: str) -> bool:
    """Whether somebody may not do this."""
    return _DENIED in message


def quoted(message: str) -> str:
    """Write etcd's words so that they can't forge a line of a log."""
    return cut(ascii(message)[1:-1].rstrip("."), _LONGEST)


def refused(address: Address, message: str) -> Refused:
    """Say what an error means.

    Args:
        address: Where the store is.
        message: In etcd's words.
    """
    name = address.name
    file = f"the file of credentials {shown(address.credentials)}" if address.credentials else "its URL"
    if _NO_SPACE in message:
        sentence = (
            f"{name} has no space left: nothing can be written until somebody compacts and defragments it, "
            "and disarms its alarm."
        )
    elif _WRONG_PASSWORD in message:
        sentence = f"{name} refuses the user or the password in {file}: correct them."
    elif _NOBODY in message:
        how = f"write them into {file}" if address.credentials else "name a file with them by ?credentials=FILE"
        sentence = f"{name} wants a user and a password: {how}."
    elif _DENIED in message:
        sentence = (
            f"{name} does not let the user in {file} do this: "
            f"grant it a role with the keys that begin with {address.prefix}/."
        )
    elif _TOO_LARGE in message:
        sentence = f"{name} refuses a request of that size: it needs --max-request-bytes=1572864, which is its default."
    elif _OPERATIONS in message:
        sentence = f"{name} allows too few operations at once: it needs --max-txn-ops=128, which is its default."
    elif _COMMON_NAME in message:
        sentence = (
            f"{name} does not accept a client certificate with a common name together with a user: use one without."
        )
    else:
        sentence = f"{name} refuses this: {quoted(message)}."
    return Refused(sentence, message)
