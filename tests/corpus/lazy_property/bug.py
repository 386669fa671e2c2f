"""Opens a client's session when a thread first needs it."""

import threading


class Client:
    def __init__(self):
        self._session = None
        self.opened = []

    @property
    def session(self):
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self):
        session = object()
        self.opened.append(session)
        return session


def main():
    client = Client()
    threads = [threading.Thread(target=lambda: client.session) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.opened == [client.session], "a session is lost"


if __name__ == "__main__":
    main()
