"""Imports one extension module and reports what that did to the GIL.

Arguments: the report file, the module's dotted name, its file, `whole` or `alone`, then folders to
import from.

The interpreter decides about the GIL when it creates a module from its file, before any of the
module's own code runs. So each creation is observed, which distinguishes the module from others
that its import loads. If another module enabled the GIL first, the file is loaded once more in an
interpreter of its own, without its package.
"""

import importlib.machinery
import importlib.util
import json
import os
import sys
import warnings

report, name, path, alone, *folders = sys.argv[1:]
sys.argv = [""]
sys.path[:0] = folders
warnings.simplefilter("ignore")
found = {"supported": hasattr(sys, "_is_gil_enabled"), "own": None, "others": [], "error": None}
is_on = getattr(sys, "_is_gil_enabled", lambda: True)
import _imp

create = _imp.create_dynamic


def watched(spec, file=None):
    before, known, made = is_on(), len(found["others"]), False
    try:
        module = create(spec, *([] if file is None else [file]))
        made = True
        return module
    finally:
        mine = spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(path)
        # A module that it imported while being created may have enabled the GIL.
        if not before and len(found["others"]) == known:
            if not mine and is_on():
                found["others"].append(spec.name)
            elif mine and (made or is_on()):  # A file that could not be loaded shows nothing.
                found["own"] = is_on()


_imp.create_dynamic = watched
try:
    if alone == "alone":
        loader = importlib.machinery.ExtensionFileLoader(name, path)
        watched(importlib.util.spec_from_file_location(name, path, loader=loader))
    else:
        importlib.import_module(name)
except BaseException as error:
    found["error"] = f"{type(error).__name__}: {error}"[:500]
with open(report, "w") as file:
    json.dump(found, file)
os._exit(0)  # Skip what modules do at exit.
