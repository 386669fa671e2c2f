"""Runs requests in copies of a context, each with its own value of a variable."""

import contextvars
import threading

USER = contextvars.ContextVar("USER")
LIMITS = contextvars.ContextVar("LIMITS")


def handle(name, seen):
    USER.set(name)
    for _ in range(200):
        if USER.get() == name and LIMITS.get()["size"] == 10:
            seen.append(name)


def main():
    USER.set("nobody")
    LIMITS.set({"size": 10, "depth": 3})
    seen = []
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(handle, name, seen))
        for name in ("ann", "bob", "cy")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert USER.get() == "nobody" and len(seen) == 600
    assert {name: seen.count(name) for name in seen} == {"ann": 200, "bob": 200, "cy": 200}


if __name__ == "__main__":
    main()
