"""A forked child in a C handler of pthread_atfork(3), before Python has noticed the fork: all its thread
states are copies of the parent's, with the parent's ids. The parent forked while it had several threads."""
import ctypes
import os
import signal
import sys
import threading

import look

L = threading.Lock()
FRAMES, CHILD = [], []


def hold():
    with L:
        look.arrived()
        look.stay()


def fork():
    FRAMES.extend(look.stack(sys._getframe())), CHILD.append(os.fork())
    if CHILD[-1] == 0:
        os._exit(0)
    look.stay()


def child():
    """Returns the child once it is in the handler, which reads standard input."""
    with open(f"/proc/self/task/{forker.native_id}/children") as children:
        found = children.read().split()
    if not found:
        return None
    with open(f"/proc/{found[0]}/syscall") as call:
        return int(found[0]) if call.read().split()[:2] == ["0", "0x0"] else None


libc = ctypes.CDLL(None)
libc.__register_atfork(None, None, ctypes.cast(libc.getchar, ctypes.c_void_p), None)
holder = look.thread("holder", hold)
look.has_arrived(holder)
forker = look.thread("forker", fork)
PID = []
look.until(lambda: PID.extend(filter(None, [child()])) or PID, "the child's stay in the handler")
row = dict(look.row_of(forker), native_id=PID[0], interpreter=0, frames=FRAMES, state=["syscall"], calls=["read"])
told = look.truth(sys._getframe(), {})
look.write(told | {"pid": PID[0], "teller": PID[0], "threads": [row]})
look.stay()
os.kill(PID[0], signal.SIGKILL)
os._exit(0)
