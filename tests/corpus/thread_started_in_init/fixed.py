"""Sends metrics in a thread that the constructor starts as its last step."""

import threading


class Metric:
    def __init__(self, path):
        self.sent = []
        self.socket_path = path
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        for number in range(3):
            payload = {"step": number, "loss": 1 / (number + 1)}
            self.sent.append((self.socket_path, payload))


def main():
    metrics = [Metric(f"/run/metrics-{number}") for number in range(3)]
    for metric in metrics:
        metric.thread.join()
    for number, metric in enumerate(metrics):
        assert [path for path, _ in metric.sent] == [f"/run/metrics-{number}"] * 3


if __name__ == "__main__":
    main()
