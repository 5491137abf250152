"""How many examples of a property are tried: many in `make test`, few in `make check`."""

from hypothesis import settings


def examples(count: int) -> settings:
    """Have a property hold for this many examples; in the profile `check`, for as many as any other property."""
    return settings(max_examples=count) if are_many() else settings()


def are_many() -> bool:
    """Whether many are tried, so that what is rare can be expected among them."""
    return settings.get_current_profile_name() != "check"
