"""Logs devices; a device's text is made under the device's lock."""

import threading

HANDLER = threading.Lock()
LINES = []


def log(message):
    with HANDLER:
        LINES.append(str(message))


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
    logging = threading.Thread(target=log, args=(device,))
    logging.start()
    logging.join()
    renaming = threading.Thread(target=device.rename, args=("sdb",))
    renaming.start()
    renaming.join()
    assert LINES == ["sda", "renamed to sdb"], LINES


if __name__ == "__main__":
    main()
