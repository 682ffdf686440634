"""A PCI function in a process of its own: the server's side of the protocol vfio-user, version 0.0, by which QEMU 10.1
and newer (`-device vfio-user-pci`) attach one. What a card of registers needs: configuration space, memory BARs,
reset. No interrupts, no DMA: requests for those are accepted and forgotten."""
import array
import errno
import json
import os
import socket
import struct

HEADER = struct.Struct("<HHIII")  # message, command, size with header, flags, errno
ACCESS = struct.Struct("<QII")  # offset, region, count
IS_REPLY, NO_REPLY, IS_ERROR = 0x01, 0x10, 0x20
VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, REGION_INFO, _, IRQ_INFO, SET_IRQS, READ, WRITE = range(1, 11)
RESET, WRITE_MULTI = 13, 15
CONFIG, REGIONS, IRQS = 7, 9, 5  # indices and numbers of vfio-pci
HAS_RESET, IS_PCI, READABLE, WRITABLE = 1, 2, 1, 2
EXPRESS = 0x40  # where that capability is


class Function:
    """One function with BAR 0, whose subclass has read(offset, count), write(offset, data), and reset()."""

    def __init__(self, ids, class_code, bar_size):
        vendor, device, subvendor, subdevice = ids
        self.bar_size = bar_size
        self.config = bytearray(4096)
        self.writable = bytearray(4096)
        put = struct.pack_into
        put("<HHHHI", self.config, 0, vendor, device, 0, 0x0010, class_code << 8)  # 0x0010: has capabilities
        put("<HH", self.config, 0x2C, subvendor, subdevice)
        self.config[0x34] = EXPRESS
        # An endpoint of PCI Express 2 that can reset its function; link 8 GT/s, 16 lanes.
        put("<BBHIHHIHH", self.config, EXPRESS, 0x10, 0, 0x0002, 0x10008000, 0, 0, 0x103, 0, 0x103)
        put("<H", self.writable, 0x04, 0x0546)
        self.writable[0x0C] = self.writable[0x3C] = 0xFF
        put("<H", self.writable, EXPRESS + 8, 0x7FFF)
        put("<I", self.writable, 0x10, ~(bar_size - 1) & 0xFFFFFFF0)

    def serve(self, listener):
        """One client after the other, for ever."""
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    self._converse(connection)
                except ConnectionError:
                    pass  # the emulator has ended

    def _converse(self, connection):
        waiting = b""
        while True:
            data, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(16 * 4))
            for _, _, fds in ancillary:  # memory and interrupts of the guest
                for fd in array.array("i", fds[: len(fds) // 4 * 4]):
                    os.close(fd)
            if not data:
                return
            waiting += data
            start = 0
            while len(waiting) - start >= HEADER.size:
                message, command, size, flags, _ = HEADER.unpack_from(waiting, start)
                if len(waiting) - start < size:
                    break
                error, reply = self._handle(command, waiting[start + HEADER.size : start + size])
                start += size
                if not flags & NO_REPLY:
                    kind = IS_REPLY | (IS_ERROR if error else 0)
                    connection.sendall(HEADER.pack(message, command, HEADER.size + len(reply), kind, error) + reply)
            waiting = waiting[start:]

    def _handle(self, command, body):
        if command == READ:
            offset, region, count = ACCESS.unpack_from(body)
            return 0, body[: ACCESS.size] + self._read(region, offset, count)
        if command == WRITE:
            offset, region, count = ACCESS.unpack_from(body)
            self._write(region, offset, body[ACCESS.size : ACCESS.size + count])
            return 0, body[: ACCESS.size]
        if command == WRITE_MULTI:
            for i in range(struct.unpack_from("<Q", body)[0]):
                at = 8 + i * (ACCESS.size + 8)
                offset, region, count = ACCESS.unpack_from(body, at)
                self._write(region, offset, body[at + ACCESS.size : at + ACCESS.size + count])
            return 0, body[:8]
        if command == VERSION:
            limits = {"capabilities": {"max_msg_fds": 16, "max_data_xfer_size": 1 << 20}}
            return 0, struct.pack("<HH", 0, 0) + json.dumps(limits).encode() + b"\0"
        if command == GET_INFO:
            return 0, struct.pack("<IIII", 16, HAS_RESET | IS_PCI, REGIONS, IRQS)
        if command == REGION_INFO:
            region = struct.unpack_from("<I", body, 8)[0]
            size = {0: self.bar_size, CONFIG: len(self.config)}.get(region, 0)
            return 0, struct.pack("<IIIIQQ", 32, READABLE | WRITABLE if size else 0, region, 0, size, 0)
        if command == IRQ_INFO:
            return 0, struct.pack("<IIII", 16, 0, struct.unpack_from("<I", body, 8)[0], 0)
        if command == RESET:
            self.reset()
            return 0, b""
        if command in (DMA_MAP, SET_IRQS):
            return 0, b""
        if command == DMA_UNMAP:
            return 0, body
        return errno.ENOTSUP, b""

    def _read(self, region, offset, count):
        if region == CONFIG:
            return bytes(self.config[offset : offset + count]).ljust(count, b"\0")
        return self.read(offset, count) if region == 0 else bytes(count)

    def _write(self, region, offset, data):
        if region == 0:
            self.write(offset, data)
        elif region == CONFIG:
            for at, byte in enumerate(data, offset):
                mask = self.writable[at]
                self.config[at] = self.config[at] & ~mask | byte & mask
                if at == EXPRESS + 9 and byte & 0x80:  # Initiate Function Level Reset
                    self.reset()
