"""Books and reports amounts under two locks that are always taken in one order."""

import threading

ACCOUNTS = threading.Lock()
AUDIT = threading.Lock()
BOOKED = []
REPORTS = []


def book(amount):
    with ACCOUNTS:
        BOOKED.append(amount)
        with AUDIT:
            REPORTS.append(f"booked {amount}")


def report():
    with ACCOUNTS, AUDIT:
        REPORTS.append(f"total {sum(BOOKED)}")


def main():
    booking = threading.Thread(target=book, args=(5,))
    booking.start()
    booking.join()
    reporting = threading.Thread(target=report)
    reporting.start()
    reporting.join()
    assert REPORTS == ["booked 5", "total 5"], REPORTS


if __name__ == "__main__":
    main()
