"""What the programs of this folder share: threads that are really in place, and one line of truth about them.

A program starts threads, says of each what is true (`waits`, `holds`, `state`), and calls `tell`. That waits until every
thread is where it was said to be, prints the truth as one line of JSON, and stays until standard input is closed; who reads
the line waits until the thread that told it reads standard input, as all of it is true only then. Nothing here sleeps and hopes: a thread counts as being in place when it sits in the same system call with the same arguments and
has not been scheduled between several looks, during which nobody else ran either.
"""

import json
import os
import platform
import queue
import sys
import sysconfig
import threading
import time

DAEMON = True  # a subinterpreter allows no others, and sets this
_rows = {}  # native id -> what is true of the thread
_threads = {}  # native id -> its ident
_frames = {}  # native id -> a frame it handed over itself, where asking the interpreter would stop the world
_arrived = set()
_deadlocks = []
RLOCK = type(threading.RLock())
LOCK = type(threading.Lock())


def stay():
    os.read(0, 1)  # until standard input is closed


def thread(name, target, *args):
    """Starts a thread. Until more is said, it is expected in `stay`, waiting for nothing and holding nothing."""
    made = threading.Thread(target=target, args=args, name=name, daemon=DAEMON)
    made.start()
    return known(made.name, made.native_id, made.ident, made)


def known(name, native_id, ident, made=None):
    """Takes a thread into the truth; `made` is what the other functions take for it."""
    row = {"name": name, "native_id": native_id, "ident": ident}
    row |= {"state": ["syscall"], "calls": ["read"], "waits": None, "holds": []}
    _rows[native_id], _threads[native_id] = row, ident
    return made


def forget(native_id):
    """A thread that is gone."""
    del _rows[native_id], _threads[native_id]


def kind_of(thing):
    """What `ungil dump` calls a thing one can wait for."""
    for kind in (threading.Condition, threading.Event, threading.BoundedSemaphore, threading.Semaphore,
                 threading.Barrier, threading.Thread, queue.Queue, queue.SimpleQueue):
        if isinstance(thing, kind):
            return f"{'queue' if 'ueue' in kind.__name__ else 'threading'}.{kind.__name__}"
    if isinstance(thing, (LOCK, RLOCK)):
        return "threading.Lock" if isinstance(thing, LOCK) else "threading.RLock"
    if type(thing) in (dict, list, set):
        return f"object:{type(thing).__name__}"
    return None  # whatever it is called


def state_of(kind):
    """What a thread does that waits for a thing of this kind: a lock is given back, anything else happens."""
    events = ("Condition", "Event", "Barrier", "Thread", "Queue", "Future")
    return "event" if kind is not None and kind.endswith(events) else "lock"


def sure(thing):
    """How surely the holder of such a thing can be named: the least confidence that will do."""
    kind = kind_of(thing)
    object_mutex = kind is not None and kind.startswith("object:")
    return "critical-section" if object_mutex else "owner" if kind == "threading.RLock" else "with"


def waits(waiter, thing, *holders, kind=None, confidence=None, also=()):
    """`waiter` waits for `thing`, which exactly `holders` have. `also` are other things that may be named instead.
    With the confidence "unknown" naming nobody will do, but naming anybody else will not."""
    row = _rows[waiter.native_id]
    names = [[hex(id(thing)), kind or kind_of(thing)], *([hex(id(other)), kind_of(other)] for other in also)]
    level = confidence or sure(thing)
    row["waits"] = {"any": names, "holders": [{"native_id": h.native_id, "confidence": level} for h in holders]}
    row["state"], row["calls"] = sorted({state_of(kind) for _, kind in names}), ["futex", None]


def holds(holder, thing, depth=1, confidence=None, must=True):
    """`holder` has `thing`, `depth` times; with `must` false it may be left out."""
    row = {"lock": hex(id(thing)), "kind": kind_of(thing), "depth": depth}
    _rows[holder.native_id]["holds"].append(row | {"confidence": confidence or sure(thing), "must": must})


def state(which, *states, calls=None):
    """`which` is in one of `states`; in `calls`, if it is a system call."""
    _rows[which.native_id] |= {"state": list(states), "calls": calls}


def spins(spinner, *others):
    """`spinner` computes for ever: it runs, or, where there is a GIL, waits for it while one of `others` has it, or is on its
    way from the one to the other ("native"). Its place in its function changes all the time."""
    state(spinner, "running", *(["gil", "native"] if others else []))
    row_of(spinner).update(waits={"gil": [other.native_id for other in others]}, frames="moving")


def calls(which, number):
    """Whether a thread sits in the system call of that number."""
    where = seat(which.native_id)
    return where is not None and int(where[0].split()[0]) == number


def row_of(which):
    """What is said of a thread, for what the functions above do not say."""
    return _rows[which.native_id]


def deadlock(*threads):
    """`threads` wait for each other in a cycle."""
    _deadlocks.append(sorted(t.native_id for t in threads))


def arrived():
    """Called by a thread that has taken what it was to take."""
    _arrived.add(threading.get_native_id())


def meet(number):
    """Arrives, and waits until `number` threads have."""
    arrived()
    until(lambda: len(_arrived) >= number, f"{number} threads")


def has_arrived(*threads):
    """Waits until `threads` have."""
    until(lambda: all(t.native_id in _arrived for t in threads), "threads")


def until(there, what):
    """Asks until the answer is yes."""
    deadline = time.monotonic() + 120
    while not there():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: did not come about")
        time.sleep(0.001)


def frame(own):
    """Hands over the calling thread's own frame, so that its line can be read without the interpreter's help."""
    _frames[threading.get_native_id()] = own


def seat(native_id):
    """The system call a thread is in and how often it has gone to sleep, or None if it is in none."""
    try:
        with open(f"/proc/self/task/{native_id}/syscall") as call:
            where = call.read()
        with open(f"/proc/self/task/{native_id}/status", errors="replace") as status:
            slept = [line for line in status if line.startswith("voluntary_ctxt")]
    except FileNotFoundError:
        raise SystemExit(f"a thread has ended: {_rows.get(native_id)}") from None
    return None if where.startswith("running") else (where, slept)


def ticks(native_id):
    """Processor time a thread has used, in the kernel's ticks."""
    with open(f"/proc/self/task/{native_id}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[11])


def runs(which):
    """Waits until a thread that said `arrived` has computed for a while since."""
    has_arrived(which)
    before = ticks(which.native_id)
    until(lambda: ticks(which.native_id) >= before + 3, "computing")


def settle():
    """Waits until every thread of which it was not said that it runs or comes and goes stays where it is."""
    me = threading.get_native_id()
    still = [n for n, row in _rows.items() if n != me and not {"running", "gil"} & set(row["state"])]
    same, before, began = 0, None, time.monotonic()
    while same < 5:
        now = [seat(n) for n in still]
        same = same + 1 if now == before and None not in now else 0
        before = now
        if time.monotonic() > began + 120:
            raise SystemExit(f"not settled: {dict(zip(still, now))}")
        time.sleep(0.006)  # longer than the switch interval: whoever waited for the GIL has had it
    for number, (call, _) in zip(still, before):
        wants, nr = _rows[number]["waits"], int(call.split()[0])
        futex = _rows[number]["calls"] and "futex" in _rows[number]["calls"]
        if (wants or futex) and nr != 202 or _rows[number]["calls"] == ["read"] and nr != 0:
            raise SystemExit(f"{_rows[number]} is in the system call {call}")


def stack(top):
    """Function, file and line of a frame and its callers, innermost first."""
    found = []
    while top is not None:
        found.append([top.f_code.co_qualname, top.f_code.co_filename, top.f_lineno])
        top = top.f_back
    return found


def rows(caller, interpreter=0):
    """What is true of every thread, its stack included. `caller` is the frame that will go on to `stay`."""
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
    """The whole of it."""
    built = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    known_rows = rows(caller)
    return {"pid": os.getpid(), "teller": threading.get_native_id(), "python": platform.python_version(), "free_threaded": built,
            "gil": "on" if sys._is_gil_enabled() else "off", "threads": known_rows + more.pop("rows", []),
            "deadlocks": _deadlocks, "extras": False, "tasks": None, "task_cycles": []} | more


def tell_main(pipe, number):
    """Tells the main interpreter, through a pipe, what is true in subinterpreter `number`, and stays."""
    os.write(pipe, (json.dumps(rows(sys._getframe(), number)) + "\n").encode()), stay()


def write(told):
    """One line."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def tell(**more):
    """Prints the truth and stays until standard input is closed; the process ends with that."""
    write(truth(sys._getframe(), more)), stay()  # one line, so that the stack that is told is the one that stays
    os._exit(0)


json.dumps({}), platform.python_version(), sysconfig.get_config_var("Py_GIL_DISABLED")  # what they import, they import now
MAIN = threading.main_thread()
known(MAIN.name, MAIN.native_id, MAIN.ident)
if threading.get_ident() != MAIN.ident:  # a subinterpreter, which calls by that name the thread that imported this
    known(None, threading.get_native_id(), threading.get_ident())
