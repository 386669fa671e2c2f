import os, sys, threading, time
lock, held = threading.Lock(), threading.Event()


def holds():
    with lock:
        held.set(), time.sleep(1000)


def waits():
    held.wait()
    with lock:
        pass


threads = [threading.Thread(target=target, daemon=True) for target in (holds, waits)]
[thread.start() for thread in threads]
# In the wait for the lock, not on its way to it.
while open(f"/proc/self/task/{threads[1].native_id}/syscall").read().split()[0] != "202" or not held.is_set():
    time.sleep(0.01)
print("%d.%d.%d" % sys.version_info[:3], flush=True)
sys.stdin.read()
os._exit(0)
