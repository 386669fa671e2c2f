"""Two threads that compute: with a GIL, one has it and the other waits for it or was just given it."""
import look


def spin():
    look.arrived()
    while True:
        pass


spinners = [look.thread(f"spinner-{number}", spin) for number in range(2)]
for spinner in spinners:
    look.spins(spinner, *(other for other in spinners if other is not spinner))
look.has_arrived(*spinners)
look.tell()
