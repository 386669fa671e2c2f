"""Started by `ungil profile --mode alloc` instead of the program: loads the library, then runs the program as __main__.

alloc_start.py LIBRARY TABLE DESCRIPTOR script|module TARGET [ARGUMENTS...]
"""

import sys


def start(sys):
    """Everything here is local, since this module becomes the program's `__main__`."""
    import atexit
    import ctypes
    import os

    library, table, descriptor, how, target, *arguments = sys.argv[1:]
    loaded = ctypes.PyDLL(library)
    refused = loaded.ungil_start(os.fsencode(table))
    # The library has mapped the table. The program must find its descriptors as without ungil.
    os.close(int(descriptor))
    if refused:
        sys.exit(70)
    # Registered first, so it is called last: after threads were joined and after the program's own
    # handlers.
    atexit.register(loaded.ungil_stop)

    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    main["__doc__"] = None
    sys.argv = [target, *arguments]
    try:
        if how == "module":
            import runpy

            if not sys.flags.safe_path:
                sys.path[0] = os.getcwd()
            # Keeps the module's globals alive until the end, as without ungil.
            main.update(runpy.run_module(target, run_name="__main__", alter_sys=True))
        else:
            import io

            if not sys.flags.safe_path:
                sys.path[0] = os.path.dirname(os.path.realpath(target))
            main["__file__"] = os.path.abspath(target)
            with io.open_code(target) as file:
                code = compile(file.read(), main["__file__"], "exec")
            exec(code, main)
    except SystemExit:
        raise
    except BaseException as error:
        # Shows the traceback that the program alone would have: without this file's frame.
        trace = error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


start(sys)
