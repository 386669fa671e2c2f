"""A logging handler blocked while writing: other threads that log wait for its RLock (`with` in `handle`)."""
import logging

import look


class Stuck(logging.Handler):
    def emit(self, record):
        look.arrived()
        look.stay()


handler = Stuck()
log = logging.getLogger("look")
log.propagate = False
log.addHandler(handler)
stuck = look.thread("stuck", log.error, "one")
look.has_arrived(stuck)
look.holds(stuck, handler.lock)
for number in range(2):
    look.waits(look.thread(f"logs-{number}", log.error, "another"), handler.lock, stuck)
look.tell()
