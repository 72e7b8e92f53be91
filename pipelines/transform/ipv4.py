"""What an IPv4 address on a device's interface is worth to an inventory."""

from ipaddress import AddressValueError, IPv4Address, IPv4Network

# RFC 1918 and RFC 6598. `is_private` of the library holds much more than RFC 1918.
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
CGNAT = IPv4Network("100.64.0.0/10")


def ipv4_scope(text: str | None) -> str | None:
    """`private`, `public`, `cgnat` or `other`; None for what is no address of a device.

    Left out are loopback, link-local, unspecified and multicast addresses, and any text that is
    not an IPv4 address in dotted form.
    """
    try:
        address = IPv4Address(text or "")
    except AddressValueError:
        return None
    if (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
    ):
        return None
    if any(address in network for network in PRIVATE):
        return "private"
    if address in CGNAT:
        return "cgnat"
    return "public" if address.is_global else "other"
