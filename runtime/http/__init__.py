"""HTTP on loopback: routes over the read service, strict input, JSON errors, OpenAPI."""

from runtime.http.address import Address, AddressInUseError, BadAddressError, ListenError, parse_address
from runtime.http.server import HttpServer

__all__ = ["Address", "AddressInUseError", "BadAddressError", "HttpServer", "ListenError", "parse_address"]
