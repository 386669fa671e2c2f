"""The first call of a method initializes nothing.

Otherwise, a fork during the initialization would leave it unfinished in the child: an import lock
or a `Once` of PyO3 that no thread there releases.
"""

import os
import pathlib
import re

import pytest
from processes import run_script

SOURCES = pathlib.Path(__file__).parents[1] / "src"

SETUP = """
import os, sys, tempfile, threading, time, traceback, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import builtins
import ungil

file = tempfile.NamedTemporaryFile()
file.write(bytes(64)); file.flush()

def raised(call):
    try:
        return call()
    except Exception as error:
        return error

def step(coroutine):
    # As an event loop would run it; none does.
    raised(lambda: coroutine.send(None))
    coroutine.close()

def called_back(pool):
    gate, called = threading.Event(), threading.Event()
    future = pool.submit(gate.wait)
    future.add_done_callback(lambda _: called.set())
    gate.set()
    called.wait()

def futures(pool):
    future = pool.submit(int)
    future.add_done_callback(str)
    return [future.result(), future.exception(), raised(lambda: future.set_result(1)), future.cancel(), repr(future), future._condition, future._waiters]
"""

# The first calls: of each class, and of each error.
CALLS = {
    "ThreadPool.submit": "ungil.ThreadPool(2).submit(abs, -1)",
    "ThreadPool()": "ungil.ThreadPool()",
    "ThreadPool.parallel_for": "ungil.ThreadPool(2).parallel_for(abs, range(9))",
    "ThreadPool.for_each": "ungil.ThreadPool(2).for_each(pow, range(9), range(9))",
    "ThreadPool.map": "list(ungil.ThreadPool(2).map(abs, [1, 2]))",
    "ThreadPool.reduce": "ungil.ThreadPool(2).reduce(max, [1, 2], 0)",
    "ThreadPool.shutdown": "[pool.shutdown() for pool in [ungil.ThreadPool(1)] if pool.submit(int)]",
    "a pool that is shut": "[(pool.shutdown(), raised(lambda: pool.submit(int))) for pool in [ungil.ThreadPool(1)]]",
    "Future": "futures(ungil.ThreadPool(1))",
    "a future with a callback": "called_back(ungil.ThreadPool(1))",
    "a future that fails": "raised(ungil.ThreadPool(1).submit(int, 'x').result)",
    "generic": "(ungil.Queue[int], ungil.Array[int], ungil.AtomicRef[int], ungil.ConcurrentDict[int, int], ungil.ThreadPool)",
    "a cancelled future": "[(future.cancel(), raised(future.result)) for future in [ungil.Future()]]",
    "PerThread": "(ungil.PerThread(list)(), ungil.PerThread[int], repr(ungil.PerThread(list)))",
    "Queue": "[(q.put(1), q.get(), raised(q.get_nowait), q.shutdown(), raised(q.get)) for q in [ungil.Queue()]]",
    "a full queue": "[(q.put(1), raised(lambda: q.put_nowait(1))) for q in [ungil.LifoQueue(1)]]",
    "Queue.get_async": "step(ungil.Queue().get_async())",
    "DelayQueue": "[(q.put(1), q.get(), raised(q.get_nowait), step(q.get_async())) for q in [ungil.DelayQueue()]]",
    "Exchanger": "raised(lambda: ungil.Exchanger().exchange(1, timeout=0.001))",
    "a broken barrier": "[(b.abort(), raised(b.wait)) for b in [ungil.Barrier(2)]]",
    "locks": "[repr(lock) for lock in (ungil.Lock(), ungil.RLock(), ungil.RWLock(), ungil.StripedLock(), ungil.StampedLock(), ungil.Semaphore())]",
    "a lock that is not held": "raised(ungil.Lock().release)",
    "ConcurrentDict": "[(raised(lambda: d[1]), d.setdefault(1, 2), d.compute(1, lambda k, v: v), d.items(), repr(d)) for d in [ungil.ConcurrentDict()]]",
    "ConcurrentDict.reduce": "ungil.ConcurrentDict({1: 2}).reduce(max, max, 0, workers=2)",
    "ConcurrentSet": "(ungil.ConcurrentSet([1]) ^ {2}, repr(ungil.ConcurrentSet([1])))",
    "ConcurrentCounter": "(ungil.ConcurrentCounter('aab').most_common(1), ungil.ConcurrentCounter('a').elements())",
    "Array": "(list(ungil.Array([1, 2])), ungil.Array(3, 'q'), raised(lambda: ungil.Array([1])[5]), repr(ungil.Array([1])))",
    "AppendList": "(list(ungil.AppendList([1])), repr(ungil.AppendList([1])))",
    "MappedArray": "(lambda m: (m.path, list(m), repr(m), m.__reduce__()))(ungil.MappedArray(file.name))",
    "share": "(ungil.share({'a': [int, object(), {1}, (x for x in ())]}), ungil.frozen([{}]))",
    "numbers": "(ungil.AtomicInt(1).get(), ungil.Adder().sum(), ungil.Accumulator(max, 0).get(), ungil.AtomicRef(1).get())",
}

IMPORTS = """
seen = []
real = builtins.__import__

def watch(name, globals=None, *rest):
    # Code of the standard library may import anything. A call of this library has the globals of
    # its caller.
    if (globals or {}).get("__name__", "__main__").split(".")[0] in ("__main__", "ungil"):
        seen.append(name)
    return real(name, globals, *rest)

warnings.simplefilter("ignore")
builtins.__import__ = watch
for name, call in CALLS.items():
    code = compile(call, name, "eval")
    eval(code)
    print(name, seen) if seen else None
    seen.clear()
"""

# A thread makes the call and is stopped in the middle of its first import, if it makes one. The
# process then forks, and the child makes the same call.
FORK = """
warnings.simplefilter("ignore")
real = builtins.__import__
reached = threading.Event()

def stop_threads(*arguments):
    if threading.current_thread() is not threading.main_thread():
        reached.set()
        time.sleep(1000)
    return real(*arguments)

def in_thread(code):
    try:
        eval(code)
    finally:
        reached.set()

for name, call in CALLS.items():
    print(name, flush=True)
    code = compile(call, name, "eval")
    reached.clear()
    builtins.__import__ = stop_threads
    threading.Thread(target=in_thread, args=(code,), daemon=True).start()
    reached.wait()
    child = os.fork()
    builtins.__import__ = real
    if child == 0:
        status = 1
        try:
            eval(code)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
os._exit(0)
"""


def test_no_call_imports_anything():
    done = run_script(SETUP + f"\nCALLS = {CALLS!r}\n" + IMPORTS)
    assert done.stdout == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_during_a_first_call():
    run_script(SETUP + f"\nCALLS = {CALLS!r}\n" + FORK)


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the library's sources are not here")
def test_the_library_has_no_lazily_initialized_statics():
    """Initializations that import nothing, as by `intern!`, cannot be observed from Python.

    They detach inside a Once too, so the sources are searched for them.
    """
    for source in SOURCES.rglob("*.rs"):
        code = re.sub(r"//.*", "", source.read_text())
        assert not re.search(
            r"(\bPyOnceLock|GILOnceCell|intern!\(|LazyLock|import_exception!|get_or_(try_)?init\b)",
            code,
        ), source
