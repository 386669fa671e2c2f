"""The main thread has ended as by pthread_exit(3); a holder, a waiter and the reporting thread go on."""
import ctypes
import os
import platform
import threading

import look

L = threading.Lock()
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]  # SYS_exit ends the calling thread only


def hold():
    with L:
        look.arrived()
        look.stay()


def want():
    with L:
        pass


def main_has_ended():
    with open(f"/proc/{os.getpid()}/stat") as stat:
        return ") Z " in stat.read()


def rest():
    look.until(main_has_ended, "the main thread's end")
    look.forget(look.MAIN.native_id)
    look.tell()


holder = look.thread("holder", hold)
look.has_arrived(holder)
look.holds(holder, L)
look.waits(look.thread("waiter", want), L, holder)
look.thread("rest", rest)
ctypes.CDLL(None).syscall(EXIT, 0)
