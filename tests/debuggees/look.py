"""Helpers for the programs in this folder: they wait until the threads are in place, then report them as JSON.

A program starts threads, declares the state of each (`waits`, `holds`, `state`), and calls `tell`. That waits until all threads
are in that state, prints it as one line of JSON, and waits until standard input is closed. The test that reads the line
waits until the reporting thread reads standard input; only then is all of it true. There are no fixed delays: a thread is in place
when it is in the same system call with the same arguments and was not scheduled between several samples without other activity.
"""

import json
import os
import platform
import queue
import sys
import sysconfig
import threading
import time

DAEMON = True  # set by a subinterpreter, which allows only one kind
_rows = {}  # native id -> expected state of the thread
_threads = {}  # native id -> its ident
_frames = {}  # native id -> a frame the thread passed itself, where sys._current_frames would stop the world
_arrived = set()
_deadlocks = []
RLOCK = type(threading.RLock())
LOCK = type(threading.Lock())


def stay():
    os.read(0, 1)  # until standard input is closed


def thread(name, target, *args):
    """Starts a thread. By default it is expected in `stay`, neither waiting nor holding anything."""
    made = threading.Thread(target=target, args=args, name=name, daemon=DAEMON)
    made.start()
    return known(made.name, made.native_id, made.ident, made)


def known(name, native_id, ident, made=None):
    """Adds a thread to the report; `made` is the object that other functions get for it."""
    row = {"name": name, "native_id": native_id, "ident": ident}
    row |= {"state": ["syscall"], "calls": ["read"], "waits": None, "holds": []}
    _rows[native_id], _threads[native_id] = row, ident
    return made


def forget(native_id):
    """A thread that has ended."""
    del _rows[native_id], _threads[native_id]


def kind_of(thing):
    """Returns the name that `ungil dump` uses for the kind of a wait target."""
    for kind in (threading.Condition, threading.Event, threading.BoundedSemaphore, threading.Semaphore,
                 threading.Barrier, threading.Thread, queue.Queue, queue.SimpleQueue):
        if isinstance(thing, kind):
            return f"{'queue' if 'ueue' in kind.__name__ else 'threading'}.{kind.__name__}"
    if isinstance(thing, (LOCK, RLOCK)):
        return "threading.Lock" if isinstance(thing, LOCK) else "threading.RLock"
    if type(thing) in (dict, list, set):
        return f"object:{type(thing).__name__}"
    return None  # any kind


def state_of(kind):
    """Returns the expected wait state for this kind of target: lock or event."""
    events = ("Condition", "Event", "Barrier", "Thread", "Queue", "Future")
    return "event" if kind is not None and kind.endswith(events) else "lock"


def sure(thing):
    """Returns the minimum confidence with which the holder of this kind must be named."""
    kind = kind_of(thing)
    object_mutex = kind is not None and kind.startswith("object:")
    return "critical-section" if object_mutex else "owner" if kind == "threading.RLock" else "with"


def waits(waiter, thing, *holders, kind=None, confidence=None, also=()):
    """Declares that `waiter` waits for `thing`, held by exactly `holders`. The targets in `also` are accepted too.
    With the confidence "unknown" naming no holder is accepted, but not naming another one."""
    row = _rows[waiter.native_id]
    names = [[hex(id(thing)), kind or kind_of(thing)], *([hex(id(other)), kind_of(other)] for other in also)]
    level = confidence or sure(thing)
    row["waits"] = {"any": names, "holders": [{"native_id": h.native_id, "confidence": level} for h in holders]}
    row["state"], row["calls"] = sorted({state_of(kind) for _, kind in names}), ["futex", None]


def holds(holder, thing, depth=1, confidence=None, must=True):
    """Declares that `holder` holds `thing` `depth` times; with `must` false it may be missing."""
    row = {"lock": hex(id(thing)), "kind": kind_of(thing), "depth": depth}
    _rows[holder.native_id]["holds"].append(row | {"confidence": confidence or sure(thing), "must": must})


def state(which, *states, calls=None):
    """Declares that `which` is in one of `states`; in one of `calls`, if in a system call."""
    _rows[which.native_id] |= {"state": list(states), "calls": calls}


def spins(spinner, *others):
    """Declares that `spinner` computes forever: it runs, or waits for the GIL while one of `others` has it, or is in
    transition ("native"). Its current line changes all the time."""
    state(spinner, "running", *(["gil", "native"] if others else []))
    row_of(spinner).update(waits={"gil": [other.native_id for other in others]}, frames="moving")


def calls(which, number):
    """Returns whether a thread is in the system call of that number."""
    where = seat(which.native_id)
    return where is not None and int(where[0].split()[0]) == number


def row_of(which):
    """Returns the expected state of a thread, to set what no function above does."""
    return _rows[which.native_id]


def deadlock(*threads):
    """Declares that `threads` wait for each other in a cycle."""
    _deadlocks.append(sorted(t.native_id for t in threads))


def arrived():
    """Called by a thread that holds its locks."""
    _arrived.add(threading.get_native_id())


def meet(number):
    """Arrives, and waits until `number` threads have arrived."""
    arrived()
    until(lambda: len(_arrived) >= number, f"{number} threads")


def has_arrived(*threads):
    """Waits until `threads` have arrived."""
    until(lambda: all(t.native_id in _arrived for t in threads), "threads")


def until(there, what):
    """Polls until the condition is true."""
    deadline = time.monotonic() + 120
    while not there():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: did not come about")
        time.sleep(0.001)


def frame(own):
    """Stores the calling thread's frame, so that its line can be read without sys._current_frames."""
    _frames[threading.get_native_id()] = own


def seat(native_id):
    """Returns the system call of a thread and its number of context switches, or None if it is in none."""
    try:
        with open(f"/proc/self/task/{native_id}/syscall") as call:
            where = call.read()
        with open(f"/proc/self/task/{native_id}/status", errors="replace") as status:
            slept = [line for line in status if line.startswith("voluntary_ctxt")]
    except FileNotFoundError:
        raise SystemExit(f"a thread has ended: {_rows.get(native_id)}") from None
    return None if where.startswith("running") else (where, slept)


def ticks(native_id):
    """Returns the CPU time of a thread, in clock ticks."""
    with open(f"/proc/self/task/{native_id}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[11])


def runs(which):
    """Waits until a thread has computed for a while after `arrived`."""
    has_arrived(which)
    before = ticks(which.native_id)
    until(lambda: ticks(which.native_id) >= before + 3, "computing")


def settle():
    """Waits until every thread is blocked, except those declared to run or to be short-lived."""
    me = threading.get_native_id()
    still = [n for n, row in _rows.items() if n != me and not {"running", "gil"} & set(row["state"])]
    same, before, began = 0, None, time.monotonic()
    while same < 5:
        now = [seat(n) for n in still]
        same = same + 1 if now == before and None not in now else 0
        before = now
        if time.monotonic() > began + 120:
            raise SystemExit(f"not settled: {dict(zip(still, now))}")
        time.sleep(0.006)  # longer than the switch interval: threads that waited for the GIL have had it
    for number, (call, _) in zip(still, before):
        wants, nr = _rows[number]["waits"], int(call.split()[0])
        futex = _rows[number]["calls"] and "futex" in _rows[number]["calls"]
        if (wants or futex) and nr != 202 or _rows[number]["calls"] == ["read"] and nr != 0:
            raise SystemExit(f"{_rows[number]} is in the system call {call}")


def stack(top):
    """Returns function, file and line of a frame and its callers, innermost first."""
    found = []
    while top is not None:
        found.append([top.f_code.co_qualname, top.f_code.co_filename, top.f_lineno])
        top = top.f_back
    return found


def rows(caller, interpreter=0):
    """Returns the state of every thread with its stack. `caller` is the frame that will call `stay`."""
    settle()
    me = threading.get_native_id()
    if me in _rows:
        row = _rows[me]
        row["frames"] = [[stay.__qualname__, stay.__code__.co_filename, stay.__code__.co_firstlineno + 1], *stack(caller)]
    tops = dict(_frames) if _frames else sys._current_frames()
    for number, row in _rows.items():
        row["interpreter"] = interpreter
        top = tops.get(number if _frames else _threads[number])
        if number != me and row.get("frames") != "moving":
            row["frames"] = None if top is None else stack(top)
    del tops
    settle()
    return list(_rows.values())


def truth(caller, more):
    """Returns the complete report."""
    built = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    known_rows = rows(caller)
    return {"pid": os.getpid(), "teller": threading.get_native_id(), "python": platform.python_version(), "free_threaded": built,
            "gil": "on" if sys._is_gil_enabled() else "off", "threads": known_rows + more.pop("rows", []),
            "deadlocks": _deadlocks, "extras": False, "tasks": None, "task_cycles": []} | more


def tell_main(pipe, number):
    """Reports subinterpreter `number` to the main interpreter through a pipe, and stays."""
    os.write(pipe, (json.dumps(rows(sys._getframe(), number)) + "\n").encode()), stay()


def write(told):
    """Writes one line."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def tell(**more):
    """Prints the report and waits until standard input is closed, which ends the process."""
    write(truth(sys._getframe(), more)), stay()  # one line, so that the reported stack does not change
    os._exit(0)


json.dumps({}), platform.python_version(), sysconfig.get_config_var("Py_GIL_DISABLED")  # forces their lazy imports
MAIN = threading.main_thread()
known(MAIN.name, MAIN.native_id, MAIN.ident)
if threading.get_ident() != MAIN.ident:  # a subinterpreter, where MAIN is the thread that imported this
    known(None, threading.get_native_id(), threading.get_ident())
