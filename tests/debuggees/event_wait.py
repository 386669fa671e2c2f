"""Threads that wait for an Event, with and without a timeout, and a Timer. An Event has no holder."""
import threading

import look

E = threading.Event()

look.waits(look.thread("waiter", E.wait), E)
look.waits(look.thread("timed", E.wait, 86400), E)
look.tell()
