import threading

from ungil import Adder


def test_every_addition_of_every_thread_is_counted():
    adder = Adder()
    threads = [threading.Thread(target=lambda: [adder.add(2) for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert adder.sum() == 16_000
