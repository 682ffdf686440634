#!/usr/bin/env python3
"""The ioctls of dfl-pci's nodes, for fpga.sh: one request a line, one answer a line: OK, a number, or the errno's name.

  open NODE, alone NODE       a handle that stays open          close HANDLE
  ioctl HANDLE REQUEST        with a pointer to a zero          reset HANDLE [ARGUMENT]
  release NODE PORT           assign NODE PORT                  from and to the card's own function
  program NODE PORT FILE [argsz|flags|address]                  with that field wrong
  start NODE PORT FILE        program, while other requests go on;  finished: 0 or 1;  wait: its answer

On the simulator the nodes are below the directory that DRAPCI_DEVICE_RELAY names: in `alone` for O_EXCL, or `shared`."""
import ctypes
import errno
import fcntl
import os
import struct
import sys
import threading

# include/uapi/linux/fpga-dfl.h
PORT_RESET, FME_PORT_PR, FME_PORT_RELEASE, FME_PORT_ASSIGN = 0xB640, 0xB680, 0x4004B681, 0x4004B682
relay = os.environ.get("DRAPCI_DEVICE_RELAY", "")


def open_node(node, alone=False):
    if relay:
        return os.open(f"{relay}/{'alone' if alone else 'shared'}{node}", os.O_RDWR | os.O_CLOEXEC)
    return os.open(node, os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if alone else 0))


def with_node(node, request, argument):
    fd = open_node(node)
    try:
        fcntl.ioctl(fd, request, argument)
    finally:
        os.close(fd)


def program(node, port, file, wrong=""):
    with open(file, "rb") as image:
        bits = image.read()
    buffer = ctypes.create_string_buffer(bits, len(bits))
    with_node(node, FME_PORT_PR, struct.pack(
        "<IIIIQ", 16 if wrong == "argsz" else 24, 1 if wrong == "flags" else 0, int(port), len(bits),
        1 if wrong == "address" else ctypes.addressof(buffer)))


def answer_of(function, *arguments):
    try:
        result = function(*arguments)
        return "OK" if result is None else str(result)
    except OSError as error:
        return errno.errorcode[error.errno]


class Started:
    def __init__(self, *arguments):
        self.answer = None
        self.thread = threading.Thread(target=self.run, args=arguments)
        self.thread.start()

    def run(self, *arguments):
        self.answer = answer_of(program, *arguments)


started = []


def request(name, *words):
    if name == "open":
        return open_node(words[0])
    if name == "alone":
        return open_node(words[0], alone=True)
    if name == "close":
        return os.close(int(words[0]))
    if name == "ioctl":
        return fcntl.ioctl(int(words[0]), int(words[1], 0), bytearray(8))
    if name == "reset":
        fcntl.ioctl(int(words[0]), PORT_RESET, int(words[1]) if words[1:] else 0)
        return None
    if name == "release":
        return with_node(words[0], FME_PORT_RELEASE, struct.pack("<i", int(words[1])))
    if name == "assign":
        return with_node(words[0], FME_PORT_ASSIGN, struct.pack("<i", int(words[1])))
    if name == "program":
        return program(*words)
    if name == "start":
        started.append(Started(*words))
        return None
    if name == "finished":
        return int(not started[-1].thread.is_alive())
    if name == "wait":
        last = started.pop()
        last.thread.join()
        return last.answer
    return f"what is {name}?"


for line in sys.stdin:
    print(answer_of(request, *line.split()), flush=True)
