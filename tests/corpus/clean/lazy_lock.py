"""Topics with a lock each that is made under the lock of the board."""

import threading


class Board:
    def __init__(self):
        self._lock = threading.Lock()
        self._topics = {}

    def topic(self, name):
        with self._lock:
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = (threading.Lock(), {"posts": 0})
            return topic

    def post(self, name):
        lock, state = self.topic(name)
        with lock:
            state["posts"] += 1

    def posts(self):
        with self._lock:
            topics = list(self._topics.items())
        counts = {}
        for name, (lock, state) in topics:
            with lock:
                counts[name] = state["posts"]
        return counts


def work(board):
    for number in range(600):
        board.post("abc"[number % 3])


def main():
    board = Board()
    threads = [threading.Thread(target=work, args=(board,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert board.posts() == {"a": 600, "b": 600, "c": 600}


if __name__ == "__main__":
    main()
