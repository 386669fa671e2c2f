"""Loads the configuration once, with double-checked locking."""

import threading

CONFIG = None
CONFIG_LOCK = threading.Lock()


class Config:
    def load(self):
        self.options = {f"option{number}": number for number in range(200)}


def get_config():
    global CONFIG
    if CONFIG is None:
        with CONFIG_LOCK:
            if CONFIG is None:
                CONFIG = Config()
                CONFIG.load()
    return CONFIG


def use(results):
    results.append(get_config().options["option7"])


def main():
    results = []
    threads = [threading.Thread(target=use, args=(results,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [7] * 4, results


if __name__ == "__main__":
    main()
