"""A heap with known object counts by type, under optional load.

usage: known.py [--load N] [--grow]

Prints what it allocated as one line of JSON, then waits until standard input is closed. On SIGUSR1 it allocates MORE objects of
each of several builtin types and prints a line. With --grow a thread allocates objects of the type `Grown` all the time.
"""
import argparse, collections, gc, json, os, signal, sys, threading, types, weakref

parser = argparse.ArgumentParser()
parser.add_argument("--load", type=int, default=0)
parser.add_argument("--grow", action="store_true")
args = parser.parse_args()
MORE = 1237


class Plain:
    def __init__(self):
        self.x = 1


class Slots:
    __slots__ = ("a", "b", "__weakref__")


class Deep:
    class Inner:
        pass


class Pair(tuple):
    __slots__ = ()


class Number(int):
    __slots__ = ()


class Text(str):
    __slots__ = ()


class Wide:  # larger than any block of pymalloc
    __slots__ = tuple(f"s{i}" for i in range(300))


class Dicts(dict):
    pass


class Grown:
    __slots__ = ()


kept = []


def make(kind, number, *of):
    kept.append([kind(*of) for _ in range(number)])


def in_a_thread(kind, number, *of):
    thread = threading.Thread(target=make, args=(kind, number, *of))
    thread.start()
    thread.join()


make(Plain, 13_345)
make(Slots, 2_000)
make(Deep.Inner, 321)
make(Pair, 3_210, (1, 2, 3))
make(Number, 4_321, 12345)
make(Text, 2_109, "some text")
make(Wide, 77)
make(Dicts, 555)
# Left behind by ended threads, some of whose memory was reused by later threads.
for number in (7_777, 555, 1):
    in_a_thread(Slots, number)
in_a_thread(Plain, 1_000)
in_a_thread(Number, 1_000, 54321)
in_a_thread(Wide, 33)
# Freed objects are not counted, whichever thread allocated them.
make(Plain, 5_000)
in_a_thread(Slots, 5_000)
del kept[-2][::2], kept[-1][1::2]

counts = {
    "Plain": 13_345 + 1_000 + 2_500,
    "Slots": 2_000 + 7_777 + 555 + 1 + 2_500,
    "Deep.Inner": 321,
    "Pair": 3_210,
    "Wide": 110,
    "Dicts": 555,
    "Number": 5_321,
    "Text": 2_109,
}

# What SIGUSR1 allocates for each builtin type.
BUILTINS = {
    "int": lambda i: 10**30 + i,
    "float": lambda i: i + 0.5,
    "complex": lambda i: complex(i, 1),
    "bytes": lambda i: b"%d" % (i + 10**6),
    "str": lambda i: "s%d" % (i + 10**6),
    "list": lambda i: [None],
    "dict": lambda i: {None: kept},
    "set": lambda i: {None},
    "frozenset": lambda i: frozenset((i & 127,)),
    "weakref.ReferenceType": lambda i: weakref.ref(kept[1][i]),
    "collections.deque": lambda i: collections.deque(),
    "range": lambda i: range(1),
    "object": lambda i: object(),
    "cell": lambda i: types.CellType(None),
}
by_collector = {"list", "dict", "set", "weakref.ReferenceType", "collections.deque", "cell"}
builtins_kept = {name: [] for name in BUILTINS}


def more(number=MORE):
    for name, maker in BUILTINS.items():
        builtins_kept[name] = [maker(i) for i in range(number)]


more(3)
signal.signal(signal.SIGUSR1, lambda *_: (more(), print("more", flush=True)))

stop = threading.Event()


def load():
    # Same sizes as the counted types, so that their pages are written to all the time.
    class Busy:
        __slots__ = ("a", "b", "__weakref__")

    class BusyPlain:
        def __init__(self):
            self.x = 1

    class BusyNumber(int):
        __slots__ = ()

    shelf = []
    while not stop.is_set():
        shelf.append([Busy() for _ in range(300)] + [BusyPlain() for _ in range(300)] + [BusyNumber(9999) for _ in range(300)])
        if len(shelf) > 20:
            del shelf[::2]
        thread = threading.Thread(target=lambda: [BusyPlain() for _ in range(100)])
        thread.start()
        thread.join()


def grow():
    while not stop.wait(0.001):
        kept.append(Grown())


threads = [threading.Thread(target=load, name=f"load-{i}") for i in range(args.load)]
if args.grow:
    threads.append(threading.Thread(target=grow, name="grow"))
for thread in threads:
    thread.start()

json.dumps({"warm": 1.5})
gc.collect()
# Types whose count stays constant, counted by the collector.
settled = ["type", "module", "property", "wrapper_descriptor", "method_descriptor", "getset_descriptor", "member_descriptor"]
known = collections.Counter(type(o).__name__ for o in gc.get_objects() if type(o).__module__ == "builtins")
truth = {
    "pid": os.getpid(),
    "counts": counts,
    "more": {name: MORE - 3 for name in BUILTINS},
    "by_collector": sorted(by_collector),
    "settled": {name: known[name] for name in settled},
    "size": {"Slots": sys.getsizeof(kept[1][0]), "Pair": sys.getsizeof(kept[3][0]),
             "Wide": sys.getsizeof(kept[6][0])},
}
print(json.dumps(truth), flush=True)
sys.stdin.read()
stop.set()
