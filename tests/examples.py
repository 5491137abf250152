"""How many examples of a property are tried: many in `make test`, few in `make check`."""

from hypothesis import settings


def examples(count: int) -> settings:
    """Have a property hold for this many examples; in the profile `check`, for as many as any other property."""
    return settings() if settings.get_current_profile_name() == "check" else settings(max_examples=count)
