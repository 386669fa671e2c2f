"""Run inside a live Python by `sys.remote_exec` (PEP 768) for `ungil profile --mode alloc PID`: starts or ends the profile.

ungil appends one line that calls `ask`. Nothing is printed in the target: errors are written to a file.
"""


def ask(what, library, table, trouble):
    try:
        import ctypes
        import os

        loaded = ctypes.PyDLL(library)
        if what == "start":
            loaded.ungil_start(os.fsencode(table))
        else:
            loaded.ungil_stop()
    except BaseException as error:
        try:
            with open(trouble, "w") as file:
                file.write(f"{type(error).__name__}: {error}")
        except OSError:
            pass
