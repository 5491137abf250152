"""How many examples of a property are tried: many in `make test`, few in `make check`."""

from hypothesis import settings


def examples(count: int, *, same: bool = False) -> settings:
    """Have a property hold for this many examples; in the profile `check`, for as many as any other property.

    Args:
        count: How many.
        same: Whether they are the same ones each time, so that what fails, fails because of a change; `make soak` draws
            others.
    """
    return settings(max_examples=count, derandomize=same) if are_many() else settings()


def are_many() -> bool:
    """Whether many are tried, so that what is rare can be expected among them."""
    return settings.get_current_profile_name() != "check"
