"""Two of three threads at a Barrier."""
import threading

import look

B = threading.Barrier(3)


def come():
    B.wait()


for number in range(2):
    look.waits(look.thread(f"early-{number}", come), B)
look.until(lambda: B.n_waiting == 2, "two at the barrier")
look.tell()
