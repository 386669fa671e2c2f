"""One thread that computes, with no waits."""
import look


def spin():
    look.arrived()
    while True:
        pass


spinner = look.thread("spinner", spin)
look.spins(spinner)
look.row_of(spinner)["waits"] = None
look.runs(spinner)
look.tell()
