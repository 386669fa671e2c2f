"""Run inside a live Python by `sys.remote_exec` (PEP 768) for `ungil profile --mode alloc PID`: begins or ends the profile.

ungil appends one line that calls `ask` with what to do. Nothing is printed in the target: what goes wrong is left in a file.
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
