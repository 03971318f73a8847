"""Reads a capture of Lamplighter with other people's software: every frame of it, on both legs.

    python capture.py hub.pcapng

Made for gurux-dlms 1.0.203, zigpy 2.4.0 and scapy 2.8.0 (PyPI; GPL, run as they are and never copied). scapy reads the file,
IP, UDP and what is below ZCL, Gurux's translator reads DLMS, zigpy's definitions read ZCL OTA. Exits with 0 when each of
them has read all of its part.
"""

import argparse
import collections
import sys

import zep
from gurux_dlms import GXDLMSTranslator
from gurux_dlms.enums import TranslatorOutputType
from scapy.layers.inet import IP, UDP
from scapy.utils import PcapNgReader
from zigpy.zcl import foundation
from zigpy.zcl.clusters.general import Ota

DLMS_PORT, ZEP_PORT = 4059, 17754
WRAPPER_LEN = 8
COMMANDS = {
    foundation.Direction.Client_to_Server: {it.id: it for it in Ota.ServerCommandDefs},
    foundation.Direction.Server_to_Client: {it.id: it for it in Ota.ClientCommandDefs},
}


def check(condition, number, what):
    if not condition:
        sys.exit(f"failed: frame {number}: {what}")


def check_sums(packet):
    """Says whether scapy, left to reckon lengths and checksums by itself, comes to the same packet."""
    again = IP(bytes(packet))
    del again.len, again.chksum, again[UDP].len, again[UDP].chksum
    return bytes(again) == bytes(packet)


def dlms_kind(translator, payload):
    """Returns the name of the service, as Gurux calls it."""
    if payload[:2] != b"\x00\x01" or int.from_bytes(payload[6:8], "big") != len(payload) - WRAPPER_LEN:
        return None
    xml = translator.pduToXml(payload[WRAPPER_LEN:])
    return xml.split(">", 1)[0].strip("<\r\n ").split(" ")[0] if xml else None


def zcl_kind(payload):
    """Returns the name of the command, as zigpy calls it."""
    _, _, _, _, zcl = zep.parse(payload)
    header, rest = foundation.ZCLHeader.deserialize(zcl)
    if header.manufacturer is not None:
        return "manufacturer's own"
    if header.frame_control.frame_type == foundation.FrameType.CLUSTER_COMMAND:
        definition = COMMANDS[header.direction][header.command_id]
        _, rest = definition.schema.deserialize(rest)
        name = definition.name
    else:
        name = foundation.GeneralCommand(header.command_id).name
        _, rest = foundation.GENERAL_COMMANDS[header.command_id].schema.deserialize(rest)
    return name if rest == b"" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture")
    translator = GXDLMSTranslator(TranslatorOutputType.SIMPLE_XML)
    kinds = collections.Counter()
    last = 0
    with PcapNgReader(parser.parse_args().capture) as packets:
        for number, packet in enumerate(packets, 1):
            check(packet.time >= last, number, "the order of time")
            last = packet.time
            check(check_sums(packet), number, "lengths and checksums")
            ports, payload = {packet[UDP].sport, packet[UDP].dport}, bytes(packet[UDP].payload)
            kind = zcl_kind(payload) if ZEP_PORT in ports else dlms_kind(translator, payload)
            check(kind, number, "it is not read to its end")
            kinds["ZCL " * (ZEP_PORT in ports) + kind] += 1
    check(kinds, 0, "there is none")
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    print(f"passed: {sum(kinds.values())} frames: {told}")


if __name__ == "__main__":
    main()
