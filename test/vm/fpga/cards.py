#!/usr/bin/env python3
"""cards.py DIRECTORY - the two FPGA cards of the test guest, each a vfio-user socket in DIRECTORY (card0, card1), and
`control`, where a test says what the hardware shall do:

  N count           how often card N has been programmed, and how often that has failed: "2 1"
  N fail BITS       the next programming ends with these bits of FME_PR_ERR (2: CRC)
  N stuck           the next one never ends
  N slow SECONDS    every one takes that long

Registers as Documentation/fpga/dfl.rst and drivers/fpga/{dfl.h,dfl-fme-mgr.c,dfl-afu-main.c} have them. The bitstreams
that they take are those of the simulated cards: DflBitstream in test/sim/drivers/dfl.h."""
import os
import socket
import struct
import sys
import threading
import time

from vfio_user import Function

FIU, AFU, PRIVATE = 4, 1, 3  # DFH_TYPE
FME_ID, PORT_ID = 0, 1  # DFH_ID of FIUs
PR_FEATURE, FME_ERRORS, PORT_ERRORS = 0x05, 0x04, 0x10
END_OF_LIST = 1 << 40

# Offsets of headers in BAR 0; ports are a block each.
PR, ERRORS = 0x1000, 0x2000
BLOCK, PORT_ERROR, AFU_AT, AFU_KB = 0x10000, 0x1000, 0x4000, 16

PR_CTRL, PR_STS, PR_DATA, PR_ERR, INTERFACE_LOW, INTERFACE_HIGH = (PR + x for x in (0x08, 0x10, 0x18, 0x20, 0xA8, 0xB0))
PR_RESET, PR_RESET_ACK, PR_START, PR_COMPLETE = 1 << 0, 1 << 4, 1 << 12, 1 << 13
PR_FAILED, CREDITS = 1 << 16, 0x1FF
CRC_ERROR, INCOMPATIBLE = 1 << 1, 1 << 2
PORT_RESET, PORT_RESET_ACK = 1 << 0, 1 << 4
MAGIC = b"DFLSIM01"


def header(kind, ident, following):
    return kind << 60 | ident | (following << 16 if following else END_OF_LIST)


class Card(Function):
    def __init__(self, ids, interface, afus):
        super().__init__(ids, class_code=0x120000, bar_size=0x80000)
        self.interface = interface
        self.ports = len(afus)
        self.lock = threading.Lock()
        self.bitstream, self.ends = bytearray(), None
        self.fail, self.stuck, self.seconds = 0, False, 0.0
        self.programmed = self.failed = 0
        self.registers = regs = {
            0x00: header(FIU, FME_ID, PR),
            0x30: self.ports << 17,  # FME_HDR_CAP
            0x60: 0x23000410010310,  # FME_HDR_BITSTREAM_ID
            PR: header(PRIVATE, PR_FEATURE, ERRORS - PR),
            PR_STS: CREDITS,
            INTERFACE_LOW: int(interface[16:], 16),
            INTERFACE_HIGH: int(interface[:16], 16),
            ERRORS: header(PRIVATE, FME_ERRORS, 0),
        }
        for port, afu in enumerate(afus):
            base = self.base(port)
            regs[0x38 + 8 * port] = 1 << 60 | base  # FME_HDR_PORT_OFST: implemented, BAR 0
            regs[base] = header(FIU, PORT_ID, PORT_ERROR)
            regs[base + 0x18] = AFU_AT  # NEXT_AFU
            regs[base + 0x30] = AFU_KB << 8 | port  # PORT_HDR_CAP
            regs[base + 0x38] = PORT_RESET | PORT_RESET_ACK  # PORT_HDR_CTRL
            regs[base + PORT_ERROR] = header(PRIVATE, PORT_ERRORS, 0)
            regs[base + AFU_AT] = header(AFU, 0, 0)
            self.set_afu(port, afu)

    @staticmethod
    def base(port):
        return BLOCK * (port + 1)

    def set_afu(self, port, afu):
        self.registers[self.base(port) + AFU_AT + 0x08] = int(afu[16:], 16)
        self.registers[self.base(port) + AFU_AT + 0x10] = int(afu[:16], 16)

    def reset(self):
        """Slots keep what they have."""
        with self.lock:
            self.ends = None
            self.registers[PR_CTRL] = 0

    def read(self, offset, count):
        with self.lock:
            register = offset & ~7
            if register == PR_CTRL:
                self.finish_when_due()
            word = struct.pack("<Q", self.registers.get(register, 0))
        return word[offset & 7 :][:count].ljust(count, b"\0")

    def write(self, offset, data):
        with self.lock:
            register = offset & ~7
            if register == PR_DATA:
                if offset == PR_DATA:
                    self.bitstream += data[:4]
                return
            word = bytearray(struct.pack("<Q", self.registers.get(register, 0)))
            word[offset & 7 : (offset & 7) + len(data)] = data
            value = struct.unpack("<Q", word[:8])[0]
            if register == PR_CTRL:
                self.control_engine(value)
            elif register == PR_ERR:  # written ones clear
                self.registers[PR_ERR] = self.registers.get(PR_ERR, 0) & ~value
            elif register % BLOCK == 0x38 and register > BLOCK:
                self.registers[register] = self.acknowledged(value, PORT_RESET, PORT_RESET_ACK)
            else:
                self.registers[register] = value

    @staticmethod
    def acknowledged(value, request, acknowledgement):
        return value | acknowledgement if value & request else value & ~acknowledgement

    def control_engine(self, value):
        before = self.registers.get(PR_CTRL, 0)
        if value & PR_RESET:
            self.registers[PR_STS] = CREDITS
            value &= ~PR_START
        if value & PR_START and not before & PR_START:
            self.bitstream = bytearray()
        if value & PR_COMPLETE:
            value &= ~PR_COMPLETE
            self.ends = None if self.stuck else time.monotonic() + self.seconds
            self.stuck = False
        self.registers[PR_CTRL] = self.acknowledged(value, PR_RESET, PR_RESET_ACK)

    def finish_when_due(self):
        if self.ends is None or time.monotonic() < self.ends:
            return
        self.ends = None
        control = self.registers[PR_CTRL] = self.registers[PR_CTRL] & ~PR_START
        bits = bytes(self.bitstream)
        interface, afu = bits[8:40].decode("latin-1"), bits[40:72].decode("latin-1")
        error, self.fail = self.fail, 0
        if not bits.startswith(MAGIC):
            error |= CRC_ERROR
        elif interface != self.interface:
            error |= INCOMPATIBLE
        self.registers[PR_ERR] = error
        if error:
            self.failed += 1
            self.registers[PR_STS] |= PR_FAILED
        else:
            self.programmed += 1
            self.set_afu(control >> 7 & 7, afu)

    def order(self, words):
        with self.lock:
            if words[0] == "count":
                return f"{self.programmed} {self.failed}"
            if words[0] == "fail":
                self.fail = int(words[1], 0)
            elif words[0] == "stuck":
                self.stuck = True
            elif words[0] == "slow":
                self.seconds = float(words[1])
            else:
                return "what?"
            return "ok"


def listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener


def obey(cards, listener):
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as lines:
            for line in lines:
                number, *words = line.split()
                print(cards[int(number)].order(words), file=lines, flush=True)


def main():
    directory = sys.argv[1]
    cards = [
        # A D5005 (drivers/fpga/dfl-pci.c PCIE_DEVICE_ID_INTEL_PAC_D5005), and one like an N6000 with two slots.
        Card((0x8086, 0x0B2B, 0x8086, 0x0B2B), "9346116d52125ba64f2b5a6a24da6d4e",
             ["d8424dc4a4a3c413f89e433683f9040b"]),
        Card((0x8086, 0xBCCE, 0x8086, 0x1770), "69528db6eb31577a8c3668f9faa081f6",
             ["56e203e9864f49a7b94b12284c31e02b"] * 2),
    ]
    for number, card in enumerate(cards):
        listener = listen(f"{directory}/card{number}")
        threading.Thread(target=card.serve, args=(listener,), daemon=True).start()
    # Last: whoever waits for this socket has all of them.
    control = listen(f"{directory}/control.new")
    os.rename(f"{directory}/control.new", f"{directory}/control")
    obey(cards, control)


if __name__ == "__main__":
    main()
