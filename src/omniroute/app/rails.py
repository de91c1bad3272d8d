"""The rails of a process: their connectors."""

import os
import secrets
import socket
from collections.abc import Mapping, Sequence

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.gsma import Gsma
from omniroute.connectors.monnify import Monnify
from omniroute.connectors.mpesa import MpesaConnector
from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.connectors.neft import NeftConnector
from omniroute.connectors.nip import NipConnector, NipRestConnector
from omniroute.connectors.rtgs import RtgsConnector
from omniroute.money.payments import ByFile
from omniroute.ports.rails import Connector


def connectors() -> Mapping[str, Connector]:
    """Every rail we speak, by name."""
    found: Sequence[Connector] = (
        NipConnector(),
        NipRestConnector(),
        MpesaConnector(),
        MtnMomo(),
        Airtel(),
        Gsma(),
        Monnify(),
        ByFile(NeftConnector()),
        ByFile(RtgsConnector()),
    )
    return {connector.rail: connector for connector in found}


def worker_id() -> str:
    """Names this process in what it takes up: never the same twice, even after a restart under the same number."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
