"""The main thread waits in `threading._shutdown` for a non-daemon thread that never ends."""
import threading

import look


def tell():
    look.until(lambda: look.calls(threading.main_thread(), 202), "the main thread at its end")
    look.tell()


look.DAEMON = False
teller = look.thread("teller", tell)
look.state(look.MAIN, "event", "syscall", calls=["futex", None])
look.row_of(look.MAIN)["waits"] = "any"
