"""Threads that join another thread, with and without a timeout."""
import look


def join(other, timeout=None):
    other.join(timeout)


worker = look.thread("worker", look.stay)
look.waits(look.thread("joiner", join, worker), worker, worker)
look.waits(look.thread("patient", join, worker, 86400), worker, worker)
look.tell()
