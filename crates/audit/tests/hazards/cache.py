from collections import Counter, OrderedDict, defaultdict, deque

results = {}
groups = defaultdict(list)
totals = Counter()
recent = OrderedDict()
queue = deque()
seen = set()
names = []
plain = {}


class Connection:
    pool = {}

    def open(self, host):
        if host not in self.pool:
            self.pool[host] = Connection()  # expect: ungil/shared-cache high
        return self.pool[host]

    @classmethod
    def close(cls, host):
        if host in cls.pool:
            del cls.pool[host]  # expect: ungil/shared-cache high


def compute(key):
    try:
        return results[key]
    except KeyError:
        pass
    results[key] = value = len(key)  # expect: ungil/shared-cache medium
    return value


def listed(key):
    found = results.get(key)
    if found is None:
        found = results[key] = []  # expect: ungil/shared-cache high
    return found


def grouped(key, value):
    groups[key].append(value)  # expect: ungil/shared-cache high


def counted(key):
    totals[key] += 1  # expect: ungil/shared-cache high


def counted_long(key):
    totals[key] = totals.get(key, 0) + 1  # expect: ungil/shared-cache high


def remember(key, value):
    if len(recent) > 100:
        recent.popitem()  # expect: ungil/shared-cache high


def take():
    while queue:
        yield queue.popleft()  # expect: ungil/shared-cache high


def first_time(key):
    if key in seen:
        return False
    seen.add(key)  # expect: ungil/shared-cache medium
    return True


def forget(name):
    if name in names:
        names.remove(name)  # expect: ungil/shared-cache high


def put(key, value):
    plain[key] = value  # expect: ungil/shared-cache low
