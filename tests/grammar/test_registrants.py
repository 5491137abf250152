"""Where strangers can register names is read of the list as the library reads it."""

from __future__ import annotations

import pytest
from publicsuffixlist import PublicSuffixList

from cors_service.grammar.registrants import (
    has_strangers,
    is_public_suffix,
    is_registrable,
    is_registry,
    public_suffixes,
    registered,
)


def test_the_whole_list_is_read_as_the_library_reads_it() -> None:
    """Each suffix of the list, what is above it and what is beneath it are what the library says of them."""
    every, of_registries = PublicSuffixList(), PublicSuffixList(accept_unknown=False, only_icann=True)
    domains = {
        domain
        for suffix in public_suffixes()
        for domain in (suffix, suffix.partition(".")[2], f"a.{suffix}", f"b.a.{suffix}")
        if domain
    }
    assert [
        domain
        for domain in domains
        if (is_public_suffix(domain), is_registry(domain), registered(domain))
        != (every.is_public(domain), of_registries.is_public(domain), every.privatesuffix(domain))
    ] == []


@pytest.mark.parametrize("suffix", ["xn--55qx5d.cn", "xn--p1ai", "xn--l1acc", "xn--1ck2e1b", "xn--o3cw4h"])
def test_names_in_other_scripts_count_as_they_are_asked_for(suffix: str) -> None:
    """The list has names in their own script, and origins have them in ASCII."""
    assert has_strangers(suffix, any_depth=False)
    assert not is_registrable(suffix)
    assert is_registrable(f"example.{suffix}")
