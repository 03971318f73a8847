"""Sends an image to a DLMS device with the client of dlms-cosem, over TCP or UDP.

    python dlms_cosem_client.py --to 127.0.0.1:4059 --transport tcp --image firmware-images/gsme.ota

Made for dlms-cosem 25.1.0 (PyPI; MIT). It makes and reads every frame; its own wrapper and sockets carry them over TCP,
and over UDP through a socket of ours. Exits with 0 when the device says that it holds exactly this image, verified.

One thing of it is wrong: its octet strings are given one byte of length whatever their length is, and a block of an image
is longer than 127 bytes. The length is therefore written here, by its own `encode_variable_integer`.
"""

import argparse
import hashlib
import logging
import pathlib
import socket
import sys
import time
from importlib.metadata import version

import structlog
from dlms_cosem import cosem, dlms_data, enumerations, utils
from dlms_cosem.client import ActionError, DlmsClient
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.security import NoSecurityAuthentication

VERIFICATION_TRIES = 100
ANSWER_TIMEOUT_S = 10
# IEC 62056-6-2, image_transfer_status.
INITIATED, VERIFYING, VERIFIED = 1, 2, 3


class UdpIO:
    """What dlms-cosem asks of a socket, by datagrams: the wrapper's header and the rest are in one."""

    def __init__(self, host, port):
        self.address = (host, port)
        self.waiting = b""

    def connect(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(ANSWER_TIMEOUT_S)
        self.socket.connect(self.address)

    def disconnect(self):
        self.socket.close()

    def send(self, data):
        self.socket.send(data)

    def recv(self, amount=1):
        if not self.waiting:
            self.waiting = self.socket.recv(0xFFFF)
        taken, self.waiting = self.waiting[:amount], self.waiting[amount:]
        return taken


def octets(value):
    return bytes([dlms_data.OctetStringData.TAG]) + dlms_data.encode_variable_integer(len(value)) + value


def structure(*elements):
    return bytes([dlms_data.DataStructure.TAG, len(elements)]) + b"".join(elements)


def number(value):
    return dlms_data.DoubleLongUnsignedData(value).to_bytes()


class Slot:
    """The image transfer object of the device."""

    def __init__(self, client, instance):
        self.client = client
        self.instance = cosem.Obis(*(int(part) for part in instance.split(".")))

    def read(self, attribute):
        kind = enumerations.CosemInterface.IMAGE_TRANSFER
        data = self.client.get(cosem.CosemAttribute(kind, self.instance, attribute))
        return utils.parse_as_dlms_data(data)

    def call(self, method, parameter):
        kind = enumerations.CosemInterface.IMAGE_TRANSFER
        return self.client.action(cosem.CosemMethod(kind, self.instance, method), parameter)


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def transfer(slot, image):
    identification = hashlib.sha256(image).digest()
    check(slot.read(5) is True, "image transfer is not enabled")
    block_size = slot.read(2)
    slot.call(1, structure(octets(identification), number(len(image))))
    check(slot.read(6) == INITIATED, "the status after initiate")
    blocks = [image[start : start + block_size] for start in range(0, len(image), block_size)]
    for index, block in enumerate(blocks):
        slot.call(2, structure(number(index), octets(block)))
    check(slot.read(4) >= len(blocks), "the first block that is missing")
    try:
        slot.call(3, dlms_data.IntegerData(0).to_bytes())
    except ActionError as error:
        check("TEMPORARY_FAILURE" in str(error), f"verify answered {error}")
    for _ in range(VERIFICATION_TRIES):
        status = slot.read(6)
        if status != VERIFYING:
            break
        time.sleep(0.1)
    check(status == VERIFIED, f"the verification ended as {status}")
    held = slot.read(7)
    check(len(held) == 1 and held[0][0] == len(image), "the size of the image to activate")
    check(bytes(held[0][1]) == identification, "the identification of the image to activate")
    return len(blocks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", required=True, help="HOST:PORT of the device")
    parser.add_argument("--transport", choices=["udp", "tcp"], default="tcp")
    parser.add_argument("--image", required=True, type=pathlib.Path)
    parser.add_argument("--instance", default="0.0.44.0.0.255", help="logical name of the image transfer object")
    arguments = parser.parse_args()
    # It tells every frame otherwise.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    host, port = arguments.to.rsplit(":", 1)
    image = arguments.image.read_bytes()
    make = UdpIO if arguments.transport == "udp" else BlockingTcpIO
    transport = TcpTransport(client_logical_address=16, server_logical_address=1, io=make(host, int(port)))
    client = DlmsClient(transport=transport, authentication=NoSecurityAuthentication())
    with client.session():
        blocks = transfer(Slot(client, arguments.instance), image)
    print(
        f"passed: dlms-cosem {version('dlms-cosem')} over {arguments.transport}: "
        f"{len(image)} bytes in {blocks} blocks, verified"
    )


if __name__ == "__main__":
    main()
