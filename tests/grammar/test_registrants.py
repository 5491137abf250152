"""The list of public suffixes is read as the library reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from publicsuffixlist import PSLFILE, PublicSuffixList, encode_idn

from cors_service.grammar import registrants
from cors_service.grammar.registrants import (
    has_strangers,
    is_public_suffix,
    is_registrable,
    is_registry,
    public_suffixes,
    registered,
    suffix_from,
)


def test_the_whole_list_is_read_as_the_library_reads_it() -> None:
    """Each rule of the list, what is above it and what is beneath it are what the library says of them."""
    every, of_registries = PublicSuffixList(), PublicSuffixList(accept_unknown=False, only_icann=True)
    lines = Path(PSLFILE).read_text(encoding="utf-8").splitlines()
    rules = {encode_idn(line.lstrip("!").removeprefix("*.")) for line in lines if line and line[:2] != "//"}
    assert len(rules) > 10_000
    assert public_suffixes() == {encode_idn(line.removeprefix("*.")) for line in lines if line and line[0] not in "/!"}
    domains = {
        domain for rule in rules for domain in (rule, rule.partition(".")[2], f"a.{rule}", f"b.a.{rule}") if domain
    }
    assert [
        domain
        for domain in domains
        if (is_public_suffix(domain), is_registry(domain), registered(domain))
        != (every.is_public(domain), of_registries.is_public(domain), every.privatesuffix(domain))
    ] == []


def test_an_exception_in_another_script_stays_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A rule may have a mark before it, and a remark behind it, in whatever script its name is."""
    path = tmp_path / "list.dat"
    path.write_text("// remark\n公司.cn\n*.网络.cn seen\n!市.网络.cn // and so on\n", encoding="utf-8")
    monkeypatch.setattr(registrants, "PSLFILE", str(path))
    fresh = registrants._lines.__wrapped__()
    assert fresh == ("// remark", "xn--55qx5d.cn", "*.xn--io0a7i.cn", "!xn--7st.xn--io0a7i.cn")


@pytest.mark.parametrize("suffix", ["xn--55qx5d.cn", "xn--p1ai", "xn--l1acc", "xn--1ck2e1b", "xn--o3cw4h"])
def test_names_in_other_scripts_count_as_they_are_asked_for(suffix: str) -> None:
    """The list has names in their own script, and origins have them in ASCII."""
    assert has_strangers(suffix, any_depth=False)
    assert not is_registrable(suffix)
    assert is_registrable(f"example.{suffix}")


def test_the_first_suffix_beneath_a_domain() -> None:
    """Of a domain above public suffixes, the first beneath it under which somebody can register a name is given."""
    parents = {suffix.partition(".")[2] for suffix in public_suffixes()} - {""}
    usable = sorted(suffix for suffix in public_suffixes() if is_registrable(f"a.{suffix}"))
    above = sorted(parent for parent in parents if not is_public_suffix(parent))
    assert len(above) > 100
    for domain in (*above[::5], "amazonaws.com", "example.com"):
        expected = next((suffix for suffix in usable if suffix.endswith(f".{domain}")), domain)
        assert expected == suffix_from(domain)
    assert (suffix_from("com"), suffix_from("co.uk.")) == ("com", "co.uk.")
