"""Started by `ungil profile --mode alloc` in the program's place: loads the library, then runs the program as __main__.

    alloc_start.py LIBRARY TABLE DESCRIPTOR script|module TARGET [ARGUMENTS...]
"""

import sys


def begin(library, table, descriptor):
    import atexit
    import ctypes
    import os

    loaded = ctypes.PyDLL(library)
    refused = loaded.ungil_start(os.fsencode(table))
    # The library has the table mapped: the program is to find its descriptors as it would without us.
    os.close(int(descriptor))
    if refused:
        sys.exit(70)
    # Registered first, called last: after threads were waited for and the program's own handlers.
    atexit.register(loaded.ungil_stop)


def run(how, target, arguments):
    import os

    main = sys.modules["__main__"]
    for name in [n for n in vars(main) if not n.startswith("__")]:
        delattr(main, name)
    main.__doc__ = None
    sys.argv = [target, *arguments]
    if how == "module":
        import runpy

        if not sys.flags.safe_path:
            sys.path[0] = os.getcwd()
        # Kept, so that what the module made is live until the end, as it would be.
        sys.modules["__main__"].__dict__.update(runpy.run_module(target, run_name="__main__", alter_sys=True))
        return
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(target))
    main.__file__ = target
    import io

    with io.open_code(target) as file:
        code = compile(file.read(), target, "exec")
    exec(code, vars(main))


def start():
    library, table, descriptor, how, target, *arguments = sys.argv[1:]
    begin(library, table, descriptor)
    try:
        run(how, target, arguments)
    except SystemExit:
        raise
    except BaseException as error:
        # As the program alone would have it: without the two frames of this file.
        trace, here = error.__traceback__, sys._getframe().f_code.co_filename
        while trace is not None and trace.tb_frame.f_code.co_filename == here:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


start()
