"""Daemon workers change orders; Queue.join tells main that all are done."""

import queue
import threading

ORDERS = queue.Queue()


class Order:
    def __init__(self, amount):
        self.amount = amount
        self.done_by = None


def work():
    while True:
        order = ORDERS.get()
        try:
            order.amount *= 2
            order.done_by = threading.current_thread().name
        finally:
            ORDERS.task_done()


def main():
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(5):
        orders = [Order(amount) for amount in range(60)]
        for order in orders:
            ORDERS.put(order)
        ORDERS.join()
        for amount, order in enumerate(orders):
            order.amount += 1
            assert order.amount == 2 * amount + 1 and order.done_by


if __name__ == "__main__":
    main()
