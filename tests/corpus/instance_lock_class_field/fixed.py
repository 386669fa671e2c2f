"""Counts open connections in an attribute of the class under the class's lock."""

import threading


class Connection:
    open_count = 0
    lock = threading.Lock()

    def open(self):
        with self.lock:
            Connection.open_count += 1

    def close(self):
        with self.lock:
            Connection.open_count -= 1


def talk():
    connection = Connection()
    for _ in range(500):
        connection.open()
        connection.close()


def main():
    threads = [threading.Thread(target=talk) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Connection.open_count == 0, Connection.open_count


if __name__ == "__main__":
    main()
