"""Serves an image to a ZCL OTA client over ZEPv2 with zigpy's OTA manager, as Home Assistant does it over a real radio.

    python zcl_server.py --listen 127.0.0.1:17755 --image firmware-images/esme.ota

Made for zigpy 2.4.0 and scapy 2.8.0 (PyPI; GPL, run as they are and never copied). The radio is ours, of scapy's frames;
everything above is zigpy: it parses the file, notifies the client, answers its queries, blocks, pages and its end, and
decides what all of them must be. Exits with 0 when zigpy calls the update a success.

zigpy passes over frames of the Smart Energy profile (0x0109), so the client is notified under Home Automation (0x0104), and
answers under the profile in which it was addressed.
"""

import argparse
import asyncio
import logging
import pathlib
import sys
from importlib.metadata import version

import zep
import zigpy.application
import zigpy.config
import zigpy.device
import zigpy.types as t
import zigpy.zdo.types as zdo_t
from zigpy.ota.image import parse_ota_image
from zigpy.ota.providers import BaseOtaImageMetadata
from zigpy.ota import OtaImageWithMetadata
from zigpy.ota.manager import update_firmware
from zigpy.zcl import ClusterType, foundation
from zigpy.zcl.clusters.general import ImageUpgradeStatus, Ota

CLIENT_EUI = t.EUI64.convert("02:00:00:00:00:00:00:02")
METER_DEVICE_TYPE = 0x0500
# A whole image of 250 kB takes zigpy about two minutes.
UPDATE_TIMEOUT_S = 600
WAITING = (ImageUpgradeStatus.Waiting_to_upgrade, ImageUpgradeStatus.Waiting_to_Upgrade_via_External_Event)


class ZepApplication(zigpy.application.ControllerApplication):
    """A zigpy radio whose air is UDP."""

    async def connect(self):
        raise NotImplementedError

    async def disconnect(self):
        pass

    async def start_network(self):
        raise NotImplementedError

    async def force_remove(self, dev):
        raise NotImplementedError

    async def add_endpoint(self, descriptor):
        raise NotImplementedError

    async def permit_ncp(self, time_s=60):
        raise NotImplementedError

    async def permit_with_link_key(self, node, link_key, time_s=60):
        raise NotImplementedError

    async def write_network_info(self, *, network_info, node_info):
        raise NotImplementedError

    async def load_network_info(self, *, load_devices=False):
        raise NotImplementedError

    async def reset_network_info(self):
        raise NotImplementedError

    async def open(self, listen):
        self.sequence, self.frames = 0, 0
        loop = asyncio.get_running_loop()
        self.client = loop.create_future()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(self), local_addr=listen)

    async def send_packet(self, packet):
        self.sequence += 1
        self.frames += 1
        datagram = zep.emit(
            zep.COORDINATOR,
            int(packet.dst.address),
            self.sequence,
            packet.data.serialize(),
            endpoints=(int(packet.src_ep), int(packet.dst_ep)),
            profile=int(packet.profile_id),
            cluster=int(packet.cluster_id),
        )
        self.transport.sendto(datagram, self.client.result())

    def heard(self, datagram, address):
        if not self.client.done():
            self.client.set_result(address)
        source, destination, endpoints, profile, zcl = zep.parse(datagram)
        self.frames += 1
        nwk = t.AddrMode.NWK
        self.packet_received(
            t.ZigbeePacket(
                src=t.AddrModeAddress(addr_mode=nwk, address=t.NWK(source)),
                src_ep=t.uint8_t(endpoints[0]),
                dst=t.AddrModeAddress(addr_mode=nwk, address=t.NWK(destination)),
                dst_ep=t.uint8_t(endpoints[1]),
                profile_id=t.uint16_t(profile),
                cluster_id=t.uint16_t(zep.OTA_CLUSTER),
                data=t.SerializableBytes(zcl),
            )
        )


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, application):
        self.application = application

    def datagram_received(self, data, addr):
        self.application.heard(data, addr)


def joined_meter(application, address):
    """Makes the device known as if it had joined and been interviewed."""
    device = zigpy.device.Device(application, CLIENT_EUI, t.NWK(address))
    device.node_desc = zdo_t.NodeDescriptor(
        logical_type=zdo_t.LogicalType.EndDevice,
        complex_descriptor_available=0,
        user_descriptor_available=0,
        reserved=0,
        aps_flags=0,
        frequency_band=zdo_t.NodeDescriptor.FrequencyBand.Freq2400MHz,
        mac_capability_flags=zdo_t.NodeDescriptor.MACCapabilityFlags.AllocateAddress,
        manufacturer_code=0x10E5,
        maximum_buffer_size=82,
        maximum_incoming_transfer_size=82,
        server_mask=0,
        maximum_outgoing_transfer_size=82,
        descriptor_capability_field=zdo_t.NodeDescriptor.DescriptorCapability.NONE,
    )
    device.manufacturer, device.model = "Lamplighter", "simulated meter"
    endpoint = device.add_endpoint(1)
    endpoint.profile_id, endpoint.device_type = zep.HOME_AUTOMATION, METER_DEVICE_TYPE
    endpoint.status = zigpy.endpoint.Status.ZDO_INIT
    endpoint.add_output_cluster(Ota.cluster_id)
    application.devices[CLIENT_EUI] = device
    return device


async def check_attributes(device, file_version):
    """Reads the client's attributes: it holds the image, and still runs the old one until an order of its own comes."""
    cluster = device.find_cluster(cluster_id=Ota.cluster_id, cluster_type=ClusterType.Client)
    names = Ota.AttributeDefs
    wanted = [names.current_file_version, names.downloaded_file_version, names.image_upgrade_status]
    values, failures = await cluster.read_attributes([wanted_one.name for wanted_one in wanted])
    if failures:
        sys.exit(f"failed: attributes that cannot be read: {failures}")
    if values[names.downloaded_file_version.name] != file_version:
        sys.exit(f"failed: the client says of itself: {values}")
    if values[names.current_file_version.name] == file_version:
        sys.exit("failed: the client runs an image that nobody has ordered it to run")
    if values[names.image_upgrade_status.name] not in WAITING:
        sys.exit(f"failed: the client does not wait: {values}")


def address_of(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


async def serve(arguments):
    config = {
        zigpy.config.CONF_DEVICE: {zigpy.config.CONF_DEVICE_PATH: "zep"},
        zigpy.config.CONF_OTA: {zigpy.config.CONF_OTA_ENABLED: False},
    }
    application = ZepApplication(config)
    await application.open(address_of(arguments.listen))
    device = joined_meter(application, arguments.address)
    data = arguments.image.read_bytes()
    firmware, rest = parse_ota_image(data)
    if rest or firmware.serialize() != data:
        sys.exit("failed: zigpy does not read the file as it is")
    header = firmware.header
    metadata = BaseOtaImageMetadata(
        file_version=header.file_version, manufacturer_id=header.manufacturer_id, image_type=header.image_type
    )
    image = OtaImageWithMetadata(metadata=metadata, firmware=firmware)
    host, port = application.transport.get_extra_info("sockname")
    print(f"ready {host}:{port}", flush=True)
    # Where the client is, its first frame tells.
    await asyncio.wait_for(application.client, UPDATE_TIMEOUT_S)
    # This is what Device.update_firmware does, but for the new interview of a device that has restarted.
    device.ota_in_progress = True
    status = await asyncio.wait_for(update_firmware(device, image), UPDATE_TIMEOUT_S)
    if status != foundation.Status.SUCCESS:
        sys.exit(f"failed: zigpy says of the update: {status!r}")
    await check_attributes(device, header.file_version)
    print(
        f"passed: the server of zigpy {version('zigpy')}, scapy {version('scapy')}: {len(data)} bytes, "
        f"{application.frames} frames, {len(firmware.subelements)} elements"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", required=True, help="HOST:PORT at which we are the coordinator")
    parser.add_argument("--address", type=lambda text: int(text, 0), default=1, help="the client's short address")
    parser.add_argument("--image", required=True, type=pathlib.Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.ERROR)
    asyncio.run(serve(arguments))


if __name__ == "__main__":
    main()
