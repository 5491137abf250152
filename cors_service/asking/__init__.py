"""What everybody who asks for decisions does with them: keeps them, does without one, puts them on an answer. Pure."""

from cors_service.asking._cache import CACHE_SIZE, DecisionCache
from cors_service.asking._headers import Lines, decorate
from cors_service.asking._undecided import UNDECIDED, undecided
from cors_service.asking._words import in_words
from cors_service.asking.address import CONNECTIONS, TIMEOUT, Address, parse_address

__all__ = [
    "CACHE_SIZE",
    "CONNECTIONS",
    "TIMEOUT",
    "UNDECIDED",
    "Address",
    "DecisionCache",
    "Lines",
    "decorate",
    "in_words",
    "parse_address",
    "undecided",
]
