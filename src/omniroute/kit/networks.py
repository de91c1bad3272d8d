"""Networks of addresses, as people write them in settings."""

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks from a list such as `10.0.0.0/8, 2001:db8::/32`. A network of all addresses is none to trust.

    Raises: ValueError, with what is wrong.
    """
    found = tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    for network in found:
        if network.prefixlen == 0:
            raise ValueError(f"{network} would trust everybody")
    return found
