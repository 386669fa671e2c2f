"""Forks children: some wait for a lock held by a thread of the parent at the fork, some only seem to. Prints their
process ids by name as one line of JSON, then waits until standard input is closed."""
import ctypes
import importlib
import json
import lzma
import multiprocessing
import os
import select
import signal
import sys
import tempfile
import threading
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
held, children = threading.Barrier(2), {}
libc = ctypes.CDLL(None)
lock, rlock, semaphore = threading.Lock(), threading.RLock(), threading.Semaphore(1)
shared, own = multiprocessing.Lock(), threading.Lock()
libc.calloc.restype, libc.pthread_mutex_lock.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
mutex = libc.calloc(1, 64)
compressor = lzma.LZMACompressor(preset=9)
modules = tempfile.TemporaryDirectory()
sys.path.insert(0, modules.name)
with open(os.path.join(modules.name, "slow_to_import.py"), "w") as file:
    file.write("import __main__, time\n__main__.held.wait()\ntime.sleep(1000)\n")


def stay():
    time.sleep(1000)


def holding(acquire):
    """Starts a thread of the parent that takes and keeps a lock."""
    def hold():
        acquire()
        held.wait()
        stay()
    threading.Thread(target=hold, name=f"holder of {acquire.__qualname__}", daemon=True).start()
    held.wait()


def compressing():
    """Starts a thread of the parent that stays inside a C object while the children are inspected."""
    block = os.urandom(1 << 20) * 300
    worker = threading.Thread(target=lambda: compressor.compress(block), daemon=True)
    worker.start()
    clock = time.pthread_getcpuclockid(worker.ident)
    while time.clock_gettime(clock) < 0.2:
        time.sleep(0.01)


def child(name, run):
    """Forks a child that calls `run`."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            run()
        finally:
            os._exit(0)
    children[name] = pid


def within(entered):
    with entered:
        stay()


def waits_for_its_own_thread():
    ready = threading.Event()

    def keep():
        with own:
            ready.set()
            stay()
    threading.Thread(target=keep, daemon=True).start()
    ready.wait()
    within(own)


holding(lock.acquire), holding(rlock.acquire), holding(semaphore.acquire)
holding(lambda: libc.pthread_mutex_lock(mutex)), holding(shared.acquire)
threading.Thread(target=lambda: importlib.import_module("slow_to_import"), name="importer", daemon=True).start()
held.wait()
compressing()

reading, writing = os.pipe()
child("lock", lambda: within(lock))
child("rlock", lambda: within(rlock))
child("semaphore", lambda: within(semaphore))
child("import", lambda: importlib.import_module("slow_to_import"))
child("inside", lambda: compressor.compress(b"x"))
child("c", lambda: libc.pthread_mutex_lock(mutex))
child("pipe", lambda: os.read(reading, 1))
child("timer", stay)
child("timeout", lambda: lock.acquire(timeout=1000))
child("event", lambda: threading.Event().wait())
child("select", lambda: select.select([reading], [], [], 1000))
child("own_thread", waits_for_its_own_thread)
child("shared", lambda: within(shared))
print(json.dumps(children), flush=True)
sys.stdin.read()
for pid in children.values():
    os.kill(pid, signal.SIGKILL)
os._exit(0)
