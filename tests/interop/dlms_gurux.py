"""Sends an image to a DLMS device with Gurux's client, as IEC 62056-6-2 has it: the whole procedure, over UDP or TCP.

    python dlms_gurux.py --to 127.0.0.1:4059 --transport udp --image firmware-images/gsme.ota

Made for gurux-dlms 1.0.203 (PyPI; GPL-2, run as it is and never copied). Gurux makes and reads every frame; sockets and
the order of steps are ours. Exits with 0 when the device says that it holds exactly this image and has verified it, and with
--activate that it runs it. A hub of Lamplighter activates without a signed order under --accept-unsigned only.
"""

import argparse
import hashlib
import pathlib
import socket
import sys
import time
from importlib.metadata import version

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.GXDLMSException import GXDLMSException
from gurux_dlms.objects import GXDLMSImageTransfer
from gurux_dlms.objects.enums import ImageTransferStatus

# IEC 62056-6-2, image_transfer: "temporary failure" says that verification is going on.
TEMPORARY_FAILURE = 2
VERIFICATION_TRIES = 100
RESTART_TRIES = 120
RESTART_PAUSE_S = 0.5
ANSWER_TIMEOUT_S = 10


class Line:
    """Frames to the device and back; one request at a time, as most clients do."""

    def __init__(self, address, transport):
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(ANSWER_TIMEOUT_S)
        self.socket.connect(address)
        self.client = GXDLMSClient(True, 16, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
        # Larger than a block with its headers.
        self.client.maxReceivePDUSize = 0xFFFF

    def ask(self, request):
        """Sends one request, which may be several frames, and returns what came."""
        reply = GXReplyData()
        for frame in request:
            self.socket.send(bytes(frame))
            received = GXByteBuffer()
            reply.clear()
            while not self.client.getData(received, reply, None):
                data = self.socket.recv(0xFFFF)
                if not data:
                    raise ConnectionError("the device closed the connection")
                received.set(data)
        while reply.isMoreData():
            more = self.client.receiverReady(reply)
            self.socket.send(bytes(more))
            received = GXByteBuffer()
            while not self.client.getData(received, reply, None):
                received.set(self.socket.recv(0xFFFF))
        return reply

    def associate(self):
        reply = self.ask(self.client.aarqRequest())
        self.client.parseAareResponse(reply.data)

    def read(self, item, attribute):
        reply = self.ask(self.client.read(item, attribute))
        return self.client.updateValue(item, attribute, reply.value)

    def release(self):
        request = self.client.releaseRequest()
        if request:
            self.ask(request)
        self.socket.close()


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def transfer(line, slot, image):
    """Steps 1 to 6 of the standard: everything but the activation."""
    # Gurux takes identifications that are text, and no others; the standard allows any bytes.
    identification = hashlib.sha256(image).hexdigest()
    # 1: is it enabled, and how large are blocks?
    line.read(slot, 5)
    check(slot.imageTransferEnabled, "image transfer is not enabled")
    line.read(slot, 2)
    # 2: initiate.
    line.ask(slot.imageTransferInitiate(line.client, identification, len(image)))
    line.read(slot, 6)
    check(slot.imageTransferStatus == ImageTransferStatus.IMAGE_TRANSFER_INITIATED, "the status after initiate")
    # 3: blocks.
    count = [0]
    for request in slot.imageBlockTransfer(line.client, image, count):
        line.ask(request)
    # 4: is it complete?
    line.read(slot, 3)
    line.read(slot, 4)
    check(slot.imageTransferredBlocksStatus == "1" * count[0], "the bitmap of a complete image")
    check(slot.imageFirstNotTransferredBlockNumber >= count[0], "the first block that is missing")
    # 5: verify.
    verify(line, slot)
    # 6: is it what was meant?
    line.read(slot, 7)
    check(len(slot.imageActivateInfo) == 1, "one image to activate")
    info = slot.imageActivateInfo[0]
    check(info.size == len(image), "the size of the image to activate")
    check(bytes(info.identification) == identification.encode(), "the identification of the image to activate")
    return count[0]


def verify(line, slot):
    try:
        line.ask(slot.imageVerify(line.client))
    except GXDLMSException as error:
        check(error.errorCode == TEMPORARY_FAILURE, f"verify answered {error.errorCode}")
    for _ in range(VERIFICATION_TRIES):
        line.read(slot, 6)
        if slot.imageTransferStatus != ImageTransferStatus.IMAGE_VERIFICATION_INITIATED:
            break
        time.sleep(0.1)
    check(slot.imageTransferStatus == ImageTransferStatus.IMAGE_VERIFICATION_SUCCESSFUL, "the verification")


def activate(address, transport, instance, line, slot):
    """Step 7: the device restarts; where it stands is read as soon as it can be asked again."""
    line.ask(slot.imageActivate(line.client))
    line.socket.close()
    for _ in range(RESTART_TRIES):
        time.sleep(RESTART_PAUSE_S)
        line, slot = Line(address, transport), GXDLMSImageTransfer(instance)
        line.socket.settimeout(RESTART_PAUSE_S)
        try:
            line.associate()
            line.read(slot, 6)
        except (TimeoutError, ConnectionError):
            continue
        if slot.imageTransferStatus != ImageTransferStatus.IMAGE_ACTIVATION_INITIATED:
            break
    done = slot.imageTransferStatus == ImageTransferStatus.IMAGE_ACTIVATION_SUCCESSFUL
    check(done, f"the activation ended as {slot.imageTransferStatus!r}")
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", required=True, help="HOST:PORT of the device")
    parser.add_argument("--transport", choices=["udp", "tcp"], default="udp")
    parser.add_argument("--image", required=True, type=pathlib.Path)
    parser.add_argument("--instance", default="0.0.44.0.0.255", help="logical name of the image transfer object")
    parser.add_argument("--activate", action="store_true", help="have the device run the image")
    arguments = parser.parse_args()
    host, port = arguments.to.rsplit(":", 1)
    image = arguments.image.read_bytes()
    address, slot = (host, int(port)), GXDLMSImageTransfer(arguments.instance)
    line = Line(address, arguments.transport)
    line.associate()
    blocks = transfer(line, slot, image)
    if arguments.activate:
        line = activate(address, arguments.transport, arguments.instance, line, slot)
    line.release()
    print(
        f"passed: gurux-dlms {version('gurux-dlms')} over {arguments.transport}: "
        f"{len(image)} bytes in {blocks} blocks, verified" + ", activated" * arguments.activate
    )


if __name__ == "__main__":
    main()
