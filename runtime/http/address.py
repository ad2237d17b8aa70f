"""Where HTTP may listen: on this machine's loopback only, because there are no access tokens yet."""

from __future__ import annotations

import errno
import ipaddress
import os

import msgspec

from runtime.errors import RuntimeFaultError

MAX_PORT = 65535
LOCALHOST = "localhost"


class BadAddressError(RuntimeFaultError, ValueError):
    """An address is not `HOST:PORT`, or not one of loopback."""


class ListenError(RuntimeFaultError):
    """The address cannot be listened on."""


class AddressInUseError(ListenError):
    """Something else listens on the port."""


class Address(msgspec.Struct, frozen=True):
    """A loopback address; port 0 stands for any free one."""

    host: str
    port: int

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, such as `127.0.0.1:8321`, `localhost:0` or `[::1]:8321`.

    Raises:
        BadAddressError: it has another form, or the host is not a loopback address.
    """
    host, colon, digits = text.rpartition(":")
    if not (colon and digits.isascii() and digits.isdigit() and int(digits) <= MAX_PORT):
        raise BadAddressError(f"HTTP address {text!r} is not HOST:PORT with a port up to {MAX_PORT}, like 127.0.0.1:0")
    bare = _unbracketed(host)
    if not is_loopback(bare):
        raise BadAddressError(
            f"HTTP listens on loopback addresses only, as it asks nobody for a password: {text!r} is none;"
            f" use 127.0.0.1:{int(digits)}, and an SSH tunnel to reach it from elsewhere"
        )
    # "localhost" may stand for two addresses, and port 0 would then mean two ports
    return Address("127.0.0.1" if bare.lower() == LOCALHOST else bare, int(digits))


def is_loopback(host: str) -> bool:
    """Whether a host without brackets and port is this machine's loopback, by its number or as `localhost`."""
    if host.lower() == LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(netloc: str) -> str:
    """The host of a `Host` header, without brackets and port."""
    if netloc.startswith("["):
        return _unbracketed(netloc.partition("]")[0] + "]")
    return netloc.partition(":")[0]


def listen_error(address: Address, error: OSError) -> ListenError:
    """Say in one line why an address could not be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(
            f"port {address.port} on {address.host} is in use; stop what listens there,"
            " or take a free port with --http 127.0.0.1:0"
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ListenError(f"cannot listen on {address.netloc}: {reason}; use another address with --http 127.0.0.1:0")


def _unbracketed(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host
