"""Loads a model in one thread; readers wait for an Event and read it without a lock."""

import threading


class Model:
    def __init__(self):
        self.loaded = threading.Event()
        self.weights = None
        self.names = {}

    def load(self):
        self.weights = [number / 10 for number in range(50)]
        for number in range(50):
            self.names[f"w{number}"] = number
        self.loaded.set()


def predict(model, results):
    while not model.loaded.is_set():
        model.loaded.wait(timeout=0.5)
    results.append(sum(model.weights[number] for number in model.names.values()))


def main():
    for _ in range(10):
        model = Model()
        results = []
        threads = [threading.Thread(target=predict, args=(model, results)) for _ in range(3)]
        threads.insert(1, threading.Thread(target=model.load))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [round(result) for result in results] == [122] * 3, results


if __name__ == "__main__":
    main()
