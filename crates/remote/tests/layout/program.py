"""Says where its own objects are, one `name value` a line, and then waits in known places until its input ends."""
import _imp, asyncio, ctypes, gc, os, queue, sys, threading, time, types



def say(**facts):
    for name, value in facts.items():
        os.write(1, f"{name} {int(value)}\n".encode())  # In one piece: threads say things too.


# Objects of each kind, and what their fields must point to.
def function(free=None):
    def inner():
        return free
    return inner


class Instance:
    def method(self):
        pass


inner = function(42)
cell = inner.__closure__[0]
instance = Instance()
method = instance.method
builtin = [].append
frame = sys._getframe()
say(
    function=id(inner), globals=id(globals()), code=id(inner.__code__),
    method=id(method), method_function=id(Instance.method), instance=id(instance),
    builtin=id(builtin), builtin_self=id(builtin.__self__),
    cell=id(cell), contents=id(cell.cell_contents),
    module=id(sys), module_dict=id(sys.__dict__),
    frame=id(frame), main_code=id(frame.f_code),
    stack_size=inner.__code__.co_stacksize, locals=1,
)


@types.coroutine
def suspended():
    yield


async def awaiting():
    await suspended()


coroutine = awaiting()
coroutine.send(None)
generator = (x for x in [1])
say(coroutine=id(coroutine), generator=id(generator))

# A static type, of which the interpreter has a part.
say(int=id(int))

# Locks that are held.
lock, rlock = threading.Lock(), threading.RLock()
lock.acquire(), rlock.acquire(), rlock.acquire()
say(lock=id(lock), lock_size=type(lock).__basicsize__, rlock=id(rlock), rlock_size=type(rlock).__basicsize__, ident=threading.get_ident())
_imp.acquire_lock()
if sys.version_info >= (3, 14):
    import _warnings
    _warnings._acquire_lock(), _warnings._acquire_lock()


# An audit hook of C's kind is the runtime's own. A C function that always gives 0 here serves: no exception has occurred.
hook = ctypes.cast(ctypes.pythonapi.PyErr_Occurred, ctypes.c_void_p)
ctypes.pythonapi.PySys_AddAuditHook(hook, None)
say(hook=hook.value)


# Threads that wait: for a thread, for an item, in an event loop, inside a set's critical section.
def sleeper():
    time.sleep(1000)


class Slow:
    def __hash__(self):
        return 7

    def __eq__(self, other):
        if entered.is_set():
            time.sleep(1000)
        entered.set()
        return False


def in_loop():
    async def main():
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        say(loop=id(loop), looper_coroutine=id(task.get_coro()))
        running.set()
        time.sleep(1000)

    asyncio.run(main())


entered, running = threading.Event(), threading.Event()
slow_set = {Slow()}
entered.set()
items = queue.SimpleQueue()


def start(name, target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    say(**{name + "_tid": thread.native_id, name + "_ident": thread.ident})
    return thread


sleeping = start("sleeper", sleeper)
start("joiner", sleeping.join)
start("getter", items.get)
start("adder", lambda: slow_set.add(Slow()))
start("looper", in_loop)
running.wait()
say(items=id(items), slow_set=id(slow_set))

# The collector, once everything else is made: what it counts must not change any more.
gc.collect()
gc.freeze()
keep = [[] for _ in range(1000)]
gc.collect()
gc.disable()
say(frozen=gc.get_freeze_count(), old=len(gc.get_objects(2)))
stats = gc.get_stats()
for generation, numbers in enumerate(stats):
    for name in ("collections", "collected", "uncollectable"):
        say(**{f"{name}_{generation}": numbers[name]})
say(native=threading.get_native_id(), ready=1)
sys.stdin.read()
