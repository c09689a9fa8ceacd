"""Addresses as they may stand on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.mail.addresses import BadAddress, wire_address, wire_domain


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("mark@example.com", "mark@example.com"),
        (" mark@Example.COM ", "mark@example.com"),
        ("Mark.O'Neil+tag@example.com", "Mark.O'Neil+tag@example.com"),
        ("mark@bücher.example", "mark@xn--bcher-kva.example"),
        ("mark@straße.example", "mark@xn--strae-oqa.example"),
        ("mark@BÜCHER.example", "mark@xn--bcher-kva.example"),
        ("mark@例え.test", "mark@xn--r8jz45g.test"),
        ('"odd name"@example.com', '"odd name"@example.com'),
        ("mark@[127.0.0.1]", "mark@[127.0.0.1]"),
        ("mark@localhost", "mark@localhost"),
        (".dots..everywhere.@example.com", ".dots..everywhere.@example.com"),
    ],
)
def test_what_can_be_written(address: str, wire: str) -> None:
    assert wire_address(address) == wire


@pytest.mark.parametrize("address", ["márk@example.com", "用户@example.com", "márk@bücher.example"])
def test_a_local_part_beyond_ascii_needs_smtputf8(address: str) -> None:
    bad = wire_address(address)
    assert isinstance(bad, BadAddress)
    assert bad.needs_smtputf8
    assert "SMTPUTF8" in bad.reason


@pytest.mark.parametrize(
    "address",
    [
        "",
        "mark",
        "@example.com",
        "mark@",
        "mark@exa mple.com",
        "mark@example..com",
        "mark@-example.com",
        "mark@example.com>\r\nRCPT TO:<evil@example.org",
        "mark\r\n@example.com",
        "mark@example.com\r\nBcc: x@example.org",
        "a b@example.com",
        "<mark@example.com>",
        "mark@example.com, other@example.com",
        '"unclosed@example.com',
        "mark@" + "x" * 64 + ".com",
        "x" * 65 + "@example.com",
        "mark@\udc80.example",
    ],
)
def test_what_cannot(address: str) -> None:
    bad = wire_address(address)
    assert isinstance(bad, BadAddress)
    assert not bad.needs_smtputf8
    assert bad.reason


@given(st.text(max_size=80))
def test_nothing_gets_through_that_could_end_a_command(text: str) -> None:
    for candidate in (text, f"{text}@example.com", f"mark@{text}"):
        wire = wire_address(candidate)
        if isinstance(wire, str):
            assert wire.isascii()
            assert wire.isprintable()
            assert not set("<>\r\n\0") & set(wire.rpartition("@")[2])


@given(st.text(max_size=80))
def test_a_domain_stays_what_it_is_once_it_is_one(text: str) -> None:
    wire = wire_domain(text)
    if wire is not None:
        assert wire_domain(wire) == wire
