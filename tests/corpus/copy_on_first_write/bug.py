"""Registers constructors in a copy of the dictionary of the base class."""

import threading


class BaseLoader:
    constructors = {"!int": int}  # noqa: RUF012

    @classmethod
    def add_constructor(cls, tag, constructor):
        if "constructors" not in cls.__dict__:
            cls.constructors = cls.constructors.copy()
        cls.constructors[tag] = constructor


class Loader(BaseLoader):
    pass


def register(tag):
    Loader.add_constructor(tag, str)


def main():
    tags = ["!a", "!b", "!c", "!d"]
    threads = [threading.Thread(target=register, args=(tag,)) for tag in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Loader.constructors) == {"!int", *tags}, Loader.constructors


if __name__ == "__main__":
    main()
