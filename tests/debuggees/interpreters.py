"""Two subinterpreters and the main one, each with a thread that holds a Lock and one that waits for it."""
import json
import os
import threading

import look

try:
    from concurrent import interpreters
except ImportError:  # 3.13
    import _interpreters

INSIDE = """
import json, os, sys, threading
sys.path.insert(0, {folder!r})
import look

look.DAEMON = False
L = threading.Lock()

def hold():
    with L:
        look.arrived()
        look.stay()

def want():
    with L:
        pass

holder = look.thread("holder-{number}", hold)
look.has_arrived(holder)
look.holds(holder, L)
look.waits(look.thread("waiter-{number}", want), L, holder)
look.tell_main({pipe}, {number})
"""


def run(number, pipe):
    code = INSIDE.format(folder=os.path.dirname(os.path.abspath(__file__)), number=number, pipe=pipe)
    try:
        made = interpreters.create()
    except NameError:
        failed = _interpreters.exec(_interpreters.create(), code)
    else:
        failed = made.exec(code)
    if failed:
        os.write(pipe, (json.dumps(str(failed)) + "\n").encode())


L = threading.Lock()
holder = look.thread("holder-0", lambda: L.acquire() and (look.arrived(), look.stay()))
look.has_arrived(holder)
look.waits(look.thread("waiter-0", lambda: L.acquire()), L)
rows = []
for number in (1, 2):
    reading, writing = os.pipe()
    carrier = look.thread(f"carrier-{number}", run, number, writing)
    look.row_of(carrier).update(waits="any", state=["syscall", "native", "lock", "running", "gil"], calls=None)
    with os.fdopen(reading) as told:
        rows += json.loads(told.readline())
look.tell(rows=rows)
