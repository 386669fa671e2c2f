"""Threads that join another, with and without a timeout: it is that other that they wait for."""
import look


def join(other, timeout=None):
    other.join(timeout)


worker = look.thread("worker", look.stay)
look.waits(look.thread("joiner", join, worker), worker, worker)
look.waits(look.thread("patient", join, worker, 86400), worker, worker)
look.tell()
