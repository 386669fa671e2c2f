"""Opens a client's session when a thread first needs it, under an RLock."""

import threading


class Client:
    def __init__(self):
        self._lock = threading.RLock()
        self._session = None
        self._opened = []

    @property
    def session(self):
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _open(self):
        with self._lock:
            session = object()
            self._opened.append(session)
            return session

    def sessions(self):
        with self._lock:
            return list(self._opened)


def main():
    client = Client()
    threads = [threading.Thread(target=lambda: client.session) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.sessions() == [client.session], "a session is lost"


if __name__ == "__main__":
    main()
