"""Arrays, append-only lists, numbers and references under the soak."""

from soak_base import Subject
from soak_parts import ReentrantToken, balance, hostile_callback, total

import ungil

SLOTS_OF = 16


class Array(Subject):
    """Slots of an array.

    The first half is only swapped, so every token stays somewhere. The other half is also
    overwritten.
    """

    name = "Array"

    def __init__(self):
        self.array = ungil.Array([None] * 2 * SLOTS_OF)

    def step(self, rng, log):
        array, i = self.array, rng.randrange(SLOTS_OF)
        match rng.randrange(10):
            case 0 | 1 | 2:
                token = log.token()
                log.put.append(token)
                log.got.append(array.get_and_set(i, token))
            case 3:
                token, seen = log.token(), array[i]
                if array.compare_and_set(i, seen, token):
                    log.put.append(token)
                    log.got.append(seen)
            case 4:
                array[SLOTS_OF + i] = rng.choice([1, 2.5, "text" * 9, (1, 2), None, array])
            case 5:
                array[SLOTS_OF + i] = ReentrantToken(
                    array, lambda array: array.get_and_set(SLOTS_OF + 1, 0)
                )
            case 6:
                array.update(
                    SLOTS_OF + i, hostile_callback(lambda old: 0, array, lambda array: array[0])
                )
            case 7:
                array[SLOTS_OF:] = [i] * SLOTS_OF
            case 8:
                assert len(list(array)) == len(array) == len(array[:])
            case 9:
                assert (5 in array) in (True, False) and repr(array) and array.count(5) >= 0

    def verify(self, logs):
        for log in logs:
            log.got = [token for token in log.got if token is not None]
        balance(logs, [token for token in self.array[:SLOTS_OF] if token is not None])


class TypedArray(Subject):
    """Numbers that all threads add to all slots."""

    name = "Array of q"

    def __init__(self):
        self.array = ungil.Array([0] * SLOTS_OF, type="q")

    def step(self, rng, log):
        i, n = rng.randrange(SLOTS_OF), rng.randrange(-9, 10)
        if rng.random() < 0.9:
            self.array.add(i, n)
            log.counts["sum"] += n
        else:
            assert len(memoryview(self.array)) == SLOTS_OF

    def verify(self, logs):
        assert sum(self.array) == total(logs, "sum")


class AppendList(Subject):
    """Every index is returned once and holds the item that was appended."""

    name = "AppendList"

    def __init__(self):
        self.list = ungil.AppendList()

    def step(self, rng, log):
        match rng.randrange(6):
            case 0 | 1 | 2:
                token = log.token()
                index = self.list.append(token)
                assert self.list[index] is token
                log.put.append(token)
            case 3:
                tokens = [log.token() for _ in range(rng.randrange(5))]
                self.list.extend(tokens)
                log.put.extend(tokens)
            case 4:
                if length := len(self.list):
                    assert self.list[rng.randrange(length)] is not None
            case 5:
                if rng.random() < 0.02:
                    assert all(token is not None for token in self.list)

    def verify(self, logs):
        balance(logs, list(self.list))


class Numbers(Subject):
    """AtomicInt, Adder, Accumulator: every addition is counted."""

    name = "AtomicInt, Adder, Accumulator, AtomicFlag"

    def __init__(self):
        self.integer = ungil.AtomicInt(0)
        self.adder = ungil.Adder()
        self.greatest = ungil.Accumulator(max, 0)
        self.flag = ungil.AtomicFlag()

    def step(self, rng, log):
        n = rng.randrange(1000)
        match rng.randrange(6):
            case 0:
                self.integer.add_and_get(n)
                log.counts["integer"] += n
            case 1:
                self.integer.update_and_get(
                    hostile_callback(
                        lambda old: old + n, self.integer, lambda integer: integer.get()
                    )
                )
                log.counts["integer"] += n
            case 2:
                self.adder.add(n)
                log.counts["adder"] += n
            case 3:
                self.greatest.accumulate(n)
                log.counts["greatest"] = max(log.counts["greatest"], n)
            case 4:
                if not self.flag.test_and_set():
                    self.flag.clear()
            case 5:
                assert self.integer.get() >= 0 and self.adder.sum() >= 0

    def verify(self, logs):
        assert self.integer.get() == total(logs, "integer")
        assert self.adder.sum() == total(logs, "adder")
        assert self.greatest.get() == max(log.counts["greatest"] for log in logs)


class AtomicRef(Subject):
    """A token that is passed on."""

    name = "AtomicRef"

    def __init__(self):
        self.ref = ungil.AtomicRef(None)

    def step(self, rng, log):
        token = log.token()
        match rng.randrange(3):
            case 0:
                log.put.append(token)
                log.got.append(self.ref.get_and_set(token))
            case 1:
                seen = self.ref.get()
                if self.ref.compare_and_set(seen, token):
                    log.put.append(token)
                    log.got.append(seen)
            case 2:
                self.ref.update_and_get(
                    hostile_callback(lambda old: old, self.ref, lambda ref: ref.get())
                )

    def verify(self, logs):
        for log in logs:
            log.got = [token for token in log.got if token is not None]
        balance(logs, [token for token in [self.ref.get()] if token is not None])


class Shared(Subject):
    """Graphs that are shared while others read, replace and drop them."""

    name = "share"

    def __init__(self):
        self.slots = ungil.Array([None] * 4)

    def step(self, rng, log):
        slot = rng.randrange(4)
        if rng.random() < 0.3:
            # The tuple is created here: a constant would belong to the main thread, and could no
            # longer be shared after the collector untracked it.
            cell = {"token": log.token(), "list": [1, 2, tuple([3, "x" * 10])]}
            cell["self"] = cell
            self.slots[slot] = ungil.share(cell)
        else:
            cell = self.slots[slot]
            if cell is not None:
                assert cell["self"] is cell and cell["list"][2][0] == 3 and cell["token"].number > 0


SLOTS = [Array, TypedArray, AppendList, Numbers, AtomicRef, Shared]
