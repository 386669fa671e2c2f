"""Two threads take turns; each releases the lock that the other waits for."""

import threading


class Court:
    def __init__(self):
        self.ping = threading.Lock()
        self.pong = threading.Lock()
        self.pong.acquire()
        self.ball = 0
        self.hits = []


def play(court, mine, other, name):
    for _ in range(100):
        mine.acquire()
        court.ball += 1
        court.hits.append((court.ball, name))
        other.release()


def main():
    court = Court()
    threads = [
        threading.Thread(target=play, args=(court, court.ping, court.pong, "ping")),
        threading.Thread(target=play, args=(court, court.pong, court.ping, "pong")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert court.ball == 200, court.ball
    assert court.hits == [(number, ("pong", "ping")[number % 2]) for number in range(1, 201)]


if __name__ == "__main__":
    main()
