"""Logs devices; the text is made before the handler's lock is taken."""

import threading

HANDLER = threading.Lock()
LINES = []


def log(message):
    text = str(message)
    with HANDLER:
        LINES.append(text)


class Device:
    def __init__(self, name):
        self.lock = threading.RLock()
        self.name = name

    def __str__(self):
        with self.lock:
            return self.name

    def rename(self, name):
        with self.lock:
            self.name = name
            log(f"renamed to {name}")


def main():
    device = Device("sda")
    threads = [
        threading.Thread(target=log, args=(device,)),
        threading.Thread(target=device.rename, args=("sdb",)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(LINES) in (["renamed to sdb", "sda"], ["renamed to sdb", "sdb"]), LINES


if __name__ == "__main__":
    main()
