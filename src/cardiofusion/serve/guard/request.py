"""Reading an ASGI request's head, the same way everywhere in the guard."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
IPV6_NETWORK = 64  # bits: one customer of a provider has as many addresses as they like below that


def header(scope: Scope, name: str) -> str | None:
    """A header field that stands once; None where it is missing or stands twice."""
    wanted = name.encode()
    found: list[bytes] = [value for key, value in scope["headers"] if key == wanted]
    return found[0].decode("latin-1") if len(found) == 1 else None


def cookie(scope: Scope, name: str) -> str | None:
    """A cookie's value. Where two have its name, the first: browsers send the more specific one first."""
    for key, value in scope["headers"]:
        pairs: list[str] = value.decode("latin-1").split(";") if key == b"cookie" else []
        for found, _, content in (pair.strip().partition("=") for pair in pairs):
            if found == name:
                return content.strip()
    return None


def bearer(scope: Scope) -> str | None:
    """The token of `Authorization: Bearer TOKEN`; "" where it says something else; None without it."""
    if not any(key == b"authorization" for key, _ in scope["headers"]):
        return None
    kind, _, token = (header(scope, "authorization") or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def client(scope: Scope) -> str:
    """Who a limit counts: the address, of IPv6 the network. Forwarding fields are never believed."""
    found = (scope.get("client") or ("",))[0]
    try:
        address = ip_address(found.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None and not address.is_loopback:
        return str(ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)
