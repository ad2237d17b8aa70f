"""Which addresses HTTP may listen on, and which hosts it answers to."""

from __future__ import annotations

import errno

import pytest

from runtime.http.address import (
    Address,
    AddressInUseError,
    BadAddressError,
    host_of,
    is_loopback,
    listen_error,
    parse_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8321", Address("127.0.0.1", 8321)),
        ("127.8.8.8:0", Address("127.8.8.8", 0)),
        ("localhost:1", Address("127.0.0.1", 1)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_loopback_addresses_are_taken(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "8321", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:٣"]
)
def test_what_is_not_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(BadAddressError, match="is not HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("text", ["0.0.0.0:8321", "10.0.0.1:1", "[::]:1", "[2001:db8::1]:1", "example.com:80", ":8321"])
def test_other_machines_could_reach_it_so_it_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadAddressError, match="loopback addresses only") as caught:
        parse_address(text)
    assert "\n" not in str(caught.value)
    assert "127.0.0.1:" in str(caught.value)


def test_an_address_has_a_url() -> None:
    assert Address("::1", 80).url == "http://[::1]:80"
    assert Address("127.0.0.1", 80).url == "http://127.0.0.1:80"


@pytest.mark.parametrize(
    ("netloc", "host"),
    [("localhost:80", "localhost"), ("localhost", "localhost"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("", "")],
)
def test_the_host_is_taken_out_of_a_host_header(netloc: str, host: str) -> None:
    assert host_of(netloc) == host


@pytest.mark.parametrize("host", ["localhost.evil.example", "evil.localhost.example", "127.0.0.1.nip.io", "::2", "x]"])
def test_names_that_only_look_like_loopback_are_none(host: str) -> None:
    assert not is_loopback(host)


def test_why_an_address_cannot_be_listened_on_is_told() -> None:
    taken = listen_error(Address("127.0.0.1", 80), OSError(errno.EADDRINUSE, "in use"))
    assert isinstance(taken, AddressInUseError)
    denied = listen_error(Address("127.0.0.1", 80), OSError(errno.EACCES, "denied"))
    assert "cannot listen on 127.0.0.1:80: Permission denied" in str(denied)
