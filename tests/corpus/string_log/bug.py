"""Collects the lines of several threads in one string."""

import threading


class Log:
    def __init__(self):
        self.text = ""

    def write(self, line):
        self.text += f"{line}\n"


def work(log, name):
    for number in range(30):
        log.write(f"{name} {number}")


def main():
    log = Log()
    threads = [threading.Thread(target=work, args=(log, name)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.text.splitlines()) == 90, log.text


if __name__ == "__main__":
    main()
