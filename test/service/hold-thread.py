#!/usr/bin/env python3
"""hold-thread.py PID NAME - stops the thread of that process with that name, and no other, for ever: until the process
ends. SIGSTOP would stop all of them. Needs CAP_SYS_PTRACE."""
import ctypes
import os
import sys

SEIZE, INTERRUPT = 0x4206, 0x4207  # ptrace(2)


def main():
    process, name = int(sys.argv[1]), sys.argv[2]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for task in map(int, os.listdir(f"/proc/{process}/task")):
        with open(f"/proc/{process}/task/{task}/comm", encoding="utf-8") as file:
            if file.read().strip() != name:
                continue
        for request in (SEIZE, INTERRUPT):
            if libc.ptrace(request, task, None, None) != 0:
                sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
        os.waitpid(task, 0x40000000)  # __WALL: it has stopped
        print("held", flush=True)
        try:
            while not os.WIFEXITED(status := os.waitpid(task, 0x40000000)[1]) and not os.WIFSIGNALED(status):
                pass
        except ChildProcessError:
            pass
        return
    sys.exit(f"no thread {name}")


main()
