"""Runs a Python program under ungil's race detector. `ungil stress` starts it.

    python ungil_stress.py SETTINGS script.py [argument...]
    python ungil_stress.py SETTINGS -m module [argument...]

SETTINGS is a JSON object: the detector's library, the file that findings are appended to, the seed of
the pauses and their chance, and what code is looked at.
"""

import ctypes
import json
import os
import sys

# Methods in C that synchronize threads or change containers, by what they do. Other callers than
# Python code go through the same definitions.
METHODS = {
    "_thread.lock": {
        "Acquire": "acquire acquire_lock __enter__",
        "Release": "release release_lock __exit__",
    },
    "_thread.RLock": {
        "Acquire": "acquire __enter__",
        "Release": "release __exit__",
        "AcquireRestore": "_acquire_restore",
        "ReleaseSave": "_release_save",
    },
    "_thread._ThreadHandle": {"Join": "join is_done"},
    "_queue.SimpleQueue": {"Send": "put put_nowait", "Receive": "get get_nowait"},
    "collections.deque": {
        "SendItem": "append appendleft extend extendleft",
        "ReceiveItem": "pop popleft",
        "RemoveAny": "clear remove",
    },
    "builtins.list": {
        "AppendItem": "append extend insert",
        "RemoveAny": "pop clear remove",
        "Sort": "sort reverse",
    },
    "builtins.dict": {
        "ReadItem": "get",
        "UpdateItem": "setdefault",
        "RemoveItem": "pop",
        "RemoveAny": "popitem clear",
        "AppendItem": "update",
    },
    "builtins.set": {
        "AddElement": "add",
        "RemoveElement": "remove discard",
        "RemoveAny": "pop clear",
    },
    "_thread": {"Start": "start_new_thread start_new start_joinable_thread"},
    "builtins": {
        "TestAttribute": "hasattr",
        "ReadAttribute": "getattr",
        "WriteAttribute": "setattr",
    },
    "sys": {"OtherTool": "settrace setprofile"},
    "sys.monitoring": {"OtherTool": "use_tool_id"},
}

# The interpreter's own code, which is not looked at: its paths, and what runs before the program.
STANDARD_LIBRARY = os.path.dirname(os.__file__) + "/"
RUNNER = os.path.dirname(os.path.abspath(__file__)) + "/"


class StressError(Exception):
    """The detector cannot run here."""


def settings_text(settings):
    """Returns the detector's configuration."""
    from _thread import RLock, _local
    from collections import deque

    import _opcode_metadata

    lines = [
        f"report {settings['report']}",
        f"seed {settings['seed']}",
        f"pause {settings['pause']}",
        f"deque {id(deque)}",
        f"len {id(len)}",
        f"append {id(list.append)}",
        f"list_iterator {id(type(iter([])))}",
        f"set_iterator {id(type(iter(set())))}",
        f"reentrant_lock {id(RLock)}",
        f"local {id(_local)}",
    ]
    iterators = (id(type(iter(view))) for view in ({}, {}.values(), {}.items()))
    lines.append("dict_iterators " + " ".join(map(str, iterators)))
    if sys.gettrace() or sys.getprofile() or any(map(sys.monitoring.get_tool, range(6))):
        lines.append("shared")
    lines += [f"exclude {path}" for path in [STANDARD_LIBRARY, RUNNER, *settings["exclude"]]]
    lines += [f"include {path}" for path in settings["include"]]
    opcodes = _opcode_metadata.opmap
    lines += [f"opcode {name} {number}" for name, number in opcodes.items() if number < 256]
    return "\n".join(lines)


class Detector:
    """The library, loaded and running."""

    def __init__(self, settings):
        self.library = library = ctypes.PyDLL(settings["library"])
        for function in (library.ungil_race_start, library.ungil_race_patch):
            function.restype = ctypes.c_char_p
        library.ungil_race_callback.restype = ctypes.py_object
        library.ungil_race_stop.restype = None
        library.ungil_race_patch.argtypes = [
            ctypes.py_object,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_char_p,
        ]
        self.expect(library.ungil_race_start(settings_text(settings).encode()))
        self.watch_gil(settings["report"])
        self.tool = self.monitor()
        for name, effects in METHODS.items():
            self.patch(name, effects)
        os.register_at_fork(after_in_child=self.silence)

    def expect(self, error):
        if error is not None:
            raise StressError(error.decode())

    def patch(self, name, effects):
        import importlib

        module, _, kind = name.rpartition(".")
        if name == "sys.monitoring":  # a module, but not one that can be imported
            module, owner = "", sys.monitoring
        else:
            try:
                owner = importlib.import_module(module or name)
            except ImportError:
                return
        if module:
            owner = getattr(owner, kind)
        for effect, methods in effects.items():
            for method in methods.split():
                found = getattr(owner, method, None)
                if found is not None:
                    is_descriptor = int(bool(module))
                    patch = self.library.ungil_race_patch
                    self.expect(patch(found, is_descriptor, method.encode(), effect.encode()))

    def monitor(self):
        monitoring = sys.monitoring
        tool = next((t for t in (3, 4, 5, 2, 1, 0) if monitoring.get_tool(t) is None), None)
        if tool is None:
            raise StressError("all places of sys.monitoring are taken by other tools")
        monitoring.use_tool_id(tool, "ungil")
        callback = self.library.ungil_race_callback()
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, callback)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        return tool

    def watch_gil(self, report):
        """Records the warning that an import has switched the GIL on, and shows it as usual."""
        import warnings

        show = warnings._showwarnmsg

        def show_and_record(message):
            text = str(message.message)
            if "global interpreter lock (GIL) has been enabled" in text:
                with open(report, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"kind": "gil", "warning": text}) + "\n")
            show(message)

        warnings._showwarnmsg = show_and_record

    def silence(self):
        sys.monitoring.set_events(self.tool, 0)
        sys.monitoring.free_tool_id(self.tool)

    def stop(self):
        self.silence()
        self.library.ungil_race_stop()


def locations(*packages):
    """Returns the folders of packages that can be imported."""
    from importlib.util import find_spec

    specs = [spec for spec in map(find_spec, packages) if spec]
    return [folder + "/" for spec in specs for folder in spec.submodule_search_locations or ()]


def main():
    settings = json.loads(sys.argv[1])
    del sys.argv[:2]
    import atexit
    import runpy

    if sys.argv[:2] == ["-m", "pytest"]:
        settings["exclude"] += locations("_pytest", "pytest", "pluggy")
    try:
        if sys._is_gil_enabled():
            raise StressError("the GIL is enabled: races are not searched for under it")
        detector = Detector(settings)
    except StressError as error:
        refuse(settings, error)

    # Runs after the threads that are not daemons have ended.
    atexit.register(detector.stop)
    if sys.argv[0] == "-m":
        del sys.argv[0]
        sys.path[0] = os.getcwd()
        if sys.argv[0] == "pytest" and settings["threads"] > 1:
            os.environ["UNGIL_THREADS"] = str(settings["threads"])
            sys.path.append(RUNNER)
            sys.argv[1:1] = ["-p", "ungil_together"]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
        runpy.run_path(sys.argv[0], run_name="__main__")


def refuse(settings, error):
    """Reports to the runner why the detector does not run, and ends."""
    with open(settings["refusal"], "w", encoding="utf-8") as file:
        file.write(str(error))
    sys.exit(2)


if __name__ == "__main__":
    main()
