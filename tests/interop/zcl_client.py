"""Downloads an image from a ZCL OTA server over ZEPv2, with zigpy's definitions of the OTA Upgrade cluster.

    python zcl_client.py --server 127.0.0.1:17755 --image-type 0x0011 --file-version 0x00000001 --out got.ota

Made for zigpy 2.4.0 and scapy 2.8.0 (PyPI; GPL, run as they are and never copied). zigpy makes and reads every ZCL frame and
parses the file in the end, scapy all layers below; the order of steps is that of ZCL 8, 11.13, and ours. Exits with 0 when
the server has given the whole image and said at the end that the upgrade waits for an order of its own.
"""

import argparse
import pathlib
import socket
import sys
import time
from importlib.metadata import version

import zep
import zigpy.types as t
from zigpy.ota.image import parse_ota_image
from zigpy.zcl import foundation
from zigpy.zcl.clusters.general import ImageBlockCommand, Ota, QueryNextImageCommand

ANSWER_TIMEOUT_S = 2
REQUEST_TRIES = 10
# The server may ask to wait for its WAN, or for another device's turn, this often in a row.
MOST_WAITS = 200
NOT_YET = 0xFFFFFFFF
ANSWERS = {definition.id: definition.schema for definition in Ota.ClientCommandDefs}


class Client:
    def __init__(self, server, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(server)
        self.address = address
        self.sequence = 0
        self.frames = 0

    def send(self, definition, tsn, **fields):
        header = foundation.ZCLHeader.cluster(tsn=tsn, command_id=definition.id)
        zcl = header.serialize() + definition.schema(**fields).serialize()
        self.sequence += 1
        self.frames += 1
        self.socket.send(zep.emit(self.address, zep.COORDINATOR, self.sequence, zcl))

    def hear(self, deadline):
        """Returns the header and the command of the next frame for us, or None when the time is over."""
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                datagram = self.socket.recv(0xFFFF)
            except TimeoutError:
                return None
            _, destination, _, profile, zcl = zep.parse(datagram)
            if destination != self.address:
                continue
            self.frames += 1
            check(profile == zep.SMART_ENERGY, "the profile of an answer")
            header, rest = foundation.ZCLHeader.deserialize(zcl)
            check(header.direction == foundation.Direction.Server_to_Client, "the direction of an answer")
            if header.frame_control.frame_type != foundation.FrameType.CLUSTER_COMMAND:
                sys.exit(f"failed: the server answered with a global command: {zcl.hex()}")
            if header.manufacturer is not None:
                self.decline(header)
                continue
            command, rest = ANSWERS[header.command_id].deserialize(rest)
            check(rest == b"", "the length of an answer")
            return header, command
        return None

    def decline(self, header):
        """Says that a command of some manufacturer is not known here (ZCL 8, 2.3.3)."""
        if header.frame_control.disable_default_response:
            return
        general = foundation.GeneralCommand.Default_Response
        answer = foundation.ZCLHeader.general(
            tsn=header.tsn, command_id=general, manufacturer=header.manufacturer
        )
        schema = foundation.GENERAL_COMMANDS[general].schema
        status = foundation.Status.UNSUP_MANUF_CLUSTER_COMMAND
        body = schema(command_id=header.command_id, status=status)
        self.sequence += 1
        self.frames += 1
        zcl = answer.serialize() + body.serialize()
        self.socket.send(zep.emit(self.address, zep.COORDINATOR, self.sequence, zcl))

    def ask(self, definition, expected, **fields):
        """Sends a request until it is answered."""
        for _ in range(REQUEST_TRIES):
            tsn = (self.sequence + 1) & 0xFF
            self.send(definition, tsn, **fields)
            deadline = time.monotonic() + ANSWER_TIMEOUT_S
            while heard := self.hear(deadline):
                header, command = heard
                if header.command_id == expected.id and header.tsn == tsn:
                    return command
        sys.exit(f"failed: {definition.name} was not answered {REQUEST_TRIES} times")


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def download(client, identity, hardware, block_len):
    query = client.ask(
        Ota.ServerCommandDefs.query_next_image,
        Ota.ClientCommandDefs.query_next_image_response,
        field_control=QueryNextImageCommand.FieldControl.HardwareVersion,
        manufacturer_code=identity["manufacturer_code"],
        image_type=identity["image_type"],
        current_file_version=identity["file_version"],
        hardware_version=hardware,
    )
    check(query.status == foundation.Status.SUCCESS, f"the server has no image: {query.status!r}")
    offered = {key: getattr(query, key) for key in ("manufacturer_code", "image_type", "file_version")}
    image, waits = b"", 0
    while len(image) < query.image_size:
        block = client.ask(
            Ota.ServerCommandDefs.image_block,
            Ota.ClientCommandDefs.image_block_response,
            field_control=ImageBlockCommand.FieldControl(0),
            file_offset=len(image),
            maximum_data_size=block_len,
            **offered,
        )
        if block.status == foundation.Status.WAIT_FOR_DATA:
            waits += 1
            check(waits < MOST_WAITS, "the server makes us wait for ever")
            time.sleep(max(0.05, min(5, int(block.request_time) - int(block.current_time))))
            continue
        waits = 0
        check(block.status == foundation.Status.SUCCESS, f"a block was refused: {block.status!r}")
        check(block.file_offset == len(image), "the offset of a block")
        check(0 < len(block.image_data) <= block_len, "the length of a block")
        image += bytes(block.image_data)
    check(len(image) == query.image_size, "the server gave more than it said")
    end = client.ask(
        Ota.ServerCommandDefs.upgrade_end,
        Ota.ClientCommandDefs.upgrade_end_response,
        status=foundation.Status.SUCCESS,
        **offered,
    )
    check(end.upgrade_time == NOT_YET, f"the upgrade does not wait for an order: {end.upgrade_time}")
    return image


def number(text):
    return int(text, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="HOST:PORT of the OTA server")
    parser.add_argument("--address", type=number, default=1, help="our short address")
    parser.add_argument("--manufacturer", type=number, default=0x10E5)
    parser.add_argument("--image-type", type=number, default=0x0011)
    parser.add_argument("--file-version", type=number, default=1, help="what we run")
    parser.add_argument("--hardware", type=number, default=0x0102)
    parser.add_argument("--block", type=number, default=48, help="bytes to ask for at a time")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    host, port = arguments.server.rsplit(":", 1)
    client = Client((host, int(port)), arguments.address)
    identity = {
        "manufacturer_code": t.uint16_t(arguments.manufacturer),
        "image_type": t.uint16_t(arguments.image_type),
        "file_version": t.uint32_t(arguments.file_version),
    }
    image = download(client, identity, t.uint16_t(arguments.hardware), t.uint8_t(arguments.block))
    parsed, rest = parse_ota_image(image)
    check(rest == b"" and parsed.serialize() == image, "zigpy reads the file as it is")
    arguments.out.write_bytes(image)
    print(
        f"passed: a client of zigpy {version('zigpy')}, scapy {version('scapy')}: {len(image)} bytes, "
        f"{client.frames} frames, {len(parsed.subelements)} elements, upgrade waits for an order"
    )


if __name__ == "__main__":
    main()
