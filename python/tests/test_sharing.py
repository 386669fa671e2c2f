import gc
import sys
import sysconfig
import threading
import warnings
import weakref
from collections import namedtuple
from dataclasses import dataclass

import pytest
from deadlines import join

from ungil import ShareWarning, frozen, share, sharing_of

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
only_free_threaded = pytest.mark.skipif(not FREE_THREADED, reason="needs a free-threaded build")


class Thing:
    pass


def in_thread(work):
    out = []
    thread = threading.Thread(target=lambda: out.append(work()))
    thread.start()
    join(thread)
    return out[0]


def text(n):
    return f"a text made at run time {n}"


def test_share_returns_its_argument_unchanged():
    graph = {"a": [1, 2.5, text(1)], (1, 2): {3}}
    copy = {"a": [1, 2.5, text(1)], (1, 2): {3}}
    assert share(graph) is graph
    assert graph == copy


@only_free_threaded
def test_tracked_objects_are_deferred_and_others_merged():
    thing = Thing()
    thing.name = text(1)
    thing.parts = [text(2), {"key": Thing()}, (Thing(), int("9" * 30))]
    thing.itself = thing
    share(thing)
    assert (
        sharing_of(thing)
        == sharing_of(thing.parts)
        == sharing_of(thing.parts[1]["key"])
        == "deferred"
    )
    assert sharing_of(thing.parts[2][0]) == "deferred"
    assert (
        sharing_of(thing.name)
        == sharing_of(thing.parts[0])
        == sharing_of(thing.parts[2][1])
        == "merged"
    )
    assert sharing_of(None) == "immortal"


@only_free_threaded
def test_closures_are_visited_but_globals_are_not():
    kept = Thing()
    unrelated = Thing()
    globals()["_unrelated"] = unrelated

    def closure(default=[text(3)]):
        return kept, _unrelated, default

    share(closure)
    assert sharing_of(kept) == "deferred"
    assert sharing_of(closure.__defaults__[0][0]) == "merged"
    assert sharing_of(unrelated) == "owned"
    del globals()["_unrelated"]


@only_free_threaded
def test_objects_of_another_thread_are_reported():
    stop = threading.Event()
    made = []

    def keep():
        made.append(text(4))
        stop.wait()

    thread = threading.Thread(target=keep)
    thread.start()
    while not made:
        pass
    with pytest.warns(
        ShareWarning,
        match=r"1 object could not be shared: 1 of type str: another thread created it",
    ):
        share(made)
    assert sharing_of(made) == "deferred"
    assert sharing_of(made[0]) == "another's"
    stop.set()
    join(thread)


@only_free_threaded
def test_objects_that_are_not_data_are_reported_and_not_visited():
    thing = Thing()
    behind = [thing]
    with pytest.warns(ShareWarning, match="1 of type generator: it is execution state"):
        share([(item for item in behind)])
    assert sharing_of(thing) == "owned"


@only_free_threaded
def test_share_makes_the_whole_graph_immortal_on_request():
    words = [text(n) for n in range(10)]
    share(words, immortal=True)
    assert {sharing_of(word) for word in words} == {"immortal"}
    assert sharing_of(words) == "immortal"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        share(words)


def test_shared_objects_are_freed():
    thing = Thing()
    thing.parts = [Thing(), text(5)]
    thing.itself = thing
    gone = [weakref.ref(thing), weakref.ref(thing.parts[0])]
    share(thing)
    del thing
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


@only_free_threaded
def test_a_merged_object_is_freed_by_the_thread_that_drops_it():
    class Loud:
        __slots__ = ("__weakref__",)

    # A container may merge a tracked object that it stores without deferring it.
    from ungil import Array

    array = Array([Loud()])
    gone = weakref.ref(array[0])

    def drop():
        array[0] = None
        return gone()

    assert in_thread(drop) is None


def test_a_graph_deeper_than_the_stack():
    root = leaf = []
    for _ in range(100_000):
        leaf.append([])
        leaf = leaf[0]
    share(root)


def test_threads_use_what_was_shared():
    table = share({n: [text(n)] for n in range(100)})

    def work():
        for n in range(100):
            table[n] = [table[n][0].upper()]
        return True

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    join(*threads)
    assert table[7] == [text(7).upper()]


def test_frozen_is_a_deep_copy_that_cannot_change():
    Point = namedtuple("Point", "x y")

    @dataclass(frozen=True)
    class Setting:
        names: list

    source = {"a": [1, {2, 3}], "b": Point([1], 2), "c": Setting(["x"]), "d": bytearray(b"raw")}
    view = frozen(source)
    source["a"].append(4)
    assert view["a"] == (1, frozenset({2, 3}))
    assert view["b"] == Point((1,), 2)
    assert view["c"] == Setting(("x",))
    assert view["d"] == b"raw"
    with pytest.raises(TypeError):
        view["a"] = 1
    assert dict(frozen(view)) == dict(view)


def test_frozen_names_the_location_of_mutable_objects():
    with pytest.raises(TypeError, match=r"obj\['a'\]\[1\] is a Thing, which may change"):
        frozen({"a": [1, Thing()]})
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match=r"obj\[0\] contains itself"):
        frozen(loop)


def test_share_can_be_repeated():
    graph = [Thing()]
    share(graph)
    graph.append(Thing())
    share(graph)
    if FREE_THREADED:
        assert sharing_of(graph[1]) == "deferred"


def test_bad_arguments():
    with pytest.raises(TypeError):
        share()
    with pytest.raises(TypeError):
        share(1, 2)
    assert sys.getrefcount(None) > 0
