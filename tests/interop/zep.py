"""A Zigbee radio made of UDP: ZEPv2, 802.15.4, NWK and APS as scapy builds and reads them.

Made for scapy 2.8.0 (PyPI; GPL-2, run as it is and never copied). Whoever speaks here is one network away from nobody:
one channel, one PAN, no security, every node one hop from the next.

scapy and Wireshark disagree on what ZEP's LQI mode says: to Wireshark 1 means that the frame ends in its check sequence, to
scapy that it does not. Lamplighter writes what Wireshark reads; here the frame after ZEP is therefore always taken to have
a check sequence, and it is checked.
"""

import logging
import time

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.config import conf  # noqa: E402

conf.dot15d4_protocol = "zigbee"

from scapy.layers.dot15d4 import Dot15d4Data, Dot15d4FCS  # noqa: E402
from scapy.layers.zigbee import ZEP2, ZigbeeAppDataPayload, ZigbeeNWK  # noqa: E402
from scapy.packet import Raw  # noqa: E402

CHANNEL = 11
PAN = 0x1A62
SMART_ENERGY = 0x0109
HOME_AUTOMATION = 0x0104
OTA_CLUSTER = 0x0019
COORDINATOR = 0x0000


class BadFrame(Exception):
    """A datagram that is no frame, or one whose check sequence is wrong."""


def emit(source, destination, sequence, zcl, endpoints=(1, 1), profile=SMART_ENERGY, cluster=OTA_CLUSTER):
    """Returns the datagram of one ZCL frame."""
    counter = sequence & 0xFF
    frame = (
        Dot15d4FCS(
            fcf_frametype="Data",
            fcf_ackreq=1,
            fcf_panidcompress=1,
            fcf_destaddrmode="Short",
            fcf_srcaddrmode="Short",
            seqnum=counter,
        )
        / Dot15d4Data(dest_panid=PAN, dest_addr=destination, src_addr=source)
        / ZigbeeNWK(
            discover_route=1,
            proto_version=2,
            frametype="data",
            flags=0,
            destination=destination,
            source=source,
            radius=30,
            seqnum=counter,
        )
        / ZigbeeAppDataPayload(
            aps_frametype="data",
            delivery_mode="unicast",
            frame_control=0,
            dst_endpoint=endpoints[1],
            cluster=cluster,
            profile=profile,
            src_endpoint=endpoints[0],
            counter=counter,
        )
        / Raw(zcl)
    )
    radio = bytes(frame)
    zep = ZEP2(
        ver=2,
        type=1,
        channel=CHANNEL,
        device=source,
        lqi_mode=1,
        lqi_val=0xFF,
        timestamp=time.time(),
        seq=sequence,
        length=len(radio),
    )
    return bytes(zep) + radio


def parse(datagram):
    """Returns source, destination, endpoints, profile and ZCL frame of a datagram."""
    zep = ZEP2(datagram[:32])
    radio = datagram[32:]
    if (zep.preamble, zep.ver, zep.type, zep.length) != (b"EX", 2, 1, len(radio)):
        raise BadFrame("no ZEPv2 data frame")
    frame = Dot15d4FCS(radio)
    if frame.fcs is None or frame.compute_fcs(radio[:-2]) != radio[-2:]:
        raise BadFrame("the check sequence is wrong")
    network, application = frame[ZigbeeNWK], frame[ZigbeeAppDataPayload]
    if application.cluster != OTA_CLUSTER:
        raise BadFrame("not for the OTA cluster")
    endpoints = (application.src_endpoint, application.dst_endpoint)
    return network.source, network.destination, endpoints, application.profile, bytes(application.payload)
