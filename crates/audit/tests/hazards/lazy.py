import re
from functools import cached_property

client = None
pattern = None
table = None
flag = None


class Client:
    _instance = None
    _parsers = None
    _name = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)  # expect: ungil/lazy-init high
        return cls._instance

    def parser(self):
        if self._parsers is None:
            self._parsers = build()  # expect: ungil/lazy-init medium
        return self._parsers


class Page:
    @cached_property
    def text(self):  # expect: ungil/cached-property low
        return "text"

    @cached_property
    def words(self):
        return self.text.split()

    def lines(self):
        if not hasattr(self, "_lines"):
            self._lines = self.text.splitlines()  # expect: ungil/lazy-init low
        return self._lines


def get_client():
    global client
    if client is not None:
        return client
    client = Client()  # expect: ungil/lazy-init high
    return client


def match(text):
    global pattern
    if not pattern:
        pattern = re.compile("x")  # expect: ungil/lazy-init medium
    return pattern.match(text)


def lookup(key):
    global table
    if table is None:
        table = {}  # expect: ungil/lazy-init high
        for letter in "abc":
            table[letter] = ord(letter)
    return table[key]


def build():
    return {}
