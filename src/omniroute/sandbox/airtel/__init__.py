"""Airtel Money: disbursements, holders and balance in fourteen countries.

The PIN comes under a public key whose private half lies beside this file: it opens nothing but this sandbox. Where the
rail calls back is set in its portal: `PUT /portal/callback` stands for that.
"""

from omniroute.sandbox.airtel.rail import AirtelSandbox

__all__ = ["AirtelSandbox"]
