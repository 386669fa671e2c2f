"""ConcurrentDict, ConcurrentSet and ConcurrentCounter under the soak."""

from soak_base import Subject
from soak_parts import HostileKey, ReentrantToken, Token, balance, hostile_callback, total

import ungil


class Dict(Subject):
    """Tokens under plain keys, stored and removed by every call that returns what it replaced."""

    name = "ConcurrentDict"

    def __init__(self):
        self.dict = ungil.ConcurrentDict()

    def key(self, rng):
        return rng.choice(
            [
                rng.randrange(20),
                str(rng.randrange(20)),
                rng.randrange(500),
                (1, rng.randrange(5)),
                2.5,
                None,
            ]
        )

    def step(self, rng, log):
        key, token = self.key(rng), log.token()
        match rng.randrange(14):
            case 0 | 1:
                self.put(log, token, self.dict.get_and_set(key, token))
            case 2:
                if self.dict.setdefault(key, token) is token:
                    log.put.append(token)
            case 3 | 4 | 5:
                self.took(log, self.dict.pop(key, None))
            case 6:
                seen = self.dict.get(key)
                if seen is not None and self.dict.compare_and_set(key, seen, token):
                    self.put(log, token, seen)
            case 7:
                seen = self.dict.get(key)
                if seen is not None and self.dict.remove(key, seen):
                    self.took(log, seen)
            case 8:
                self.compute(key, token, log)
            case 9:
                made = self.dict.compute_if_absent(
                    key, hostile_callback(lambda key: token, self.dict, lambda d: d.get(5))
                )
                if made is token:
                    log.put.append(token)
            case 10:
                try:
                    self.took(log, self.dict.popitem()[1])
                except KeyError:
                    pass
            case 11:
                if rng.random() < 0.05:
                    for _, value in self.dict.items():
                        assert type(value) is Token, value
            case 12:
                if rng.random() < 0.05:
                    assert (
                        len(self.dict.snapshot()) >= 0
                        and len(self.dict.copy()) >= 0
                        and repr(self.dict)
                    )
            case 13:
                assert key not in self.dict or len(self.dict) >= 0

    def compute(self, key, token, log):
        """Calls `compute`. Its function may be called again; only the last call counts."""
        seen = None

        def replace(key, old):
            nonlocal seen
            seen = old
            return token

        self.dict.compute(key, hostile_callback(replace, self.dict, lambda d: d.get("other")))
        self.put(log, token, seen)

    def put(self, log, token, replaced):
        log.put.append(token)
        self.took(log, replaced)

    def took(self, log, token):
        if token is not None:
            log.got.append(token)

    def verify(self, logs):
        assert len(self.dict) == len(list(self.dict)) == len(self.dict.snapshot())
        balance(logs, self.dict.values())


class HostileKeyDict(Dict):
    """As `Dict`, with keys that raise, collide and re-enter.

    A call that raised has changed nothing.
    """

    name = "ConcurrentDict, hostile keys"

    def key(self, rng):
        return HostileKey(rng.randrange(12), self.dict)

    def verify(self, logs):
        HostileKey.calm = True
        try:
            super().verify(logs)
        finally:
            HostileKey.calm = False


class ReentrantTokenDict(Subject):
    """Values whose finalizers use the dict."""

    name = "ConcurrentDict, finalizers"

    def __init__(self):
        self.dict = ungil.ConcurrentDict()

    def step(self, rng, log):
        key = rng.randrange(10)
        match rng.randrange(6):
            case 0 | 1:
                self.dict[key] = ReentrantToken(self.dict, lambda d: d.pop(3, None))
            case 2:
                self.dict[key] = ReentrantToken(self.dict, lambda d: d.__setitem__(4, 1))
            case 3:
                self.dict.pop(key, None)
            case 4:
                self.dict[key] = self.dict
            case 5:
                if rng.random() < 0.1:
                    self.dict.clear()


class Growing(Subject):
    """Grows to thousands of entries and shrinks again. A thread finds the keys that it added."""

    name = "ConcurrentDict, growing"

    def __init__(self):
        self.dict = ungil.ConcurrentDict()

    def step(self, rng, log):
        mine = [(log.thread, n) for n in range(rng.choice([10, 100, 2000]))]
        for key in mine:
            self.dict[key] = key
        assert all(self.dict[key] == key for key in mine)
        for key in mine:
            del self.dict[key]
        assert not any(key in self.dict for key in mine[:10])

    def verify(self, logs):
        assert len(self.dict) == 0 and not list(self.dict)


class Set(Subject):
    """Members that one thread at a time adds first and removes."""

    name = "ConcurrentSet"

    def __init__(self):
        self.set = ungil.ConcurrentSet()

    def step(self, rng, log):
        member = rng.choice([rng.randrange(30), str(rng.randrange(30)), rng.randrange(500)])
        match rng.randrange(4):
            case 0 | 1:
                log.counts["members"] += bool(self.set.add(member))
            case 2:
                try:
                    self.set.remove(member)
                    log.counts["members"] -= 1
                except KeyError:
                    pass
            case 3:
                if rng.random() < 0.05:
                    assert all(isinstance(member, int | str) for member in self.set)

    def verify(self, logs):
        assert len(self.set) == len(list(self.set)) == total(logs, "members")


class Counts(Subject):
    """ConcurrentCounter with one hot key and many cold ones."""

    name = "ConcurrentCounter"

    def __init__(self):
        self.counter = ungil.ConcurrentCounter()

    def step(self, rng, log):
        key = rng.choice(["hot", rng.randrange(300)])
        n = rng.randrange(-3, 9)
        self.counter.add(key, n)
        log.counts[key] += n
        if rng.random() < 0.01:
            self.counter.total(), self.counter.snapshot(), self.counter[key]

    def verify(self, logs):
        for key in ["hot", *range(300)]:
            assert self.counter[key] == total(logs, key), key
        assert self.counter.total() == sum(sum(log.counts.values()) for log in logs)


MAPS = [Dict, HostileKeyDict, ReentrantTokenDict, Growing, Set, Counts]
