"""Prints a description of the running interpreter as one line of JSON.

Runs under Python 2.7 to the newest, PyPy and GraalPy, hence the old syntax. It runs without site
(-S), to be fast and to run no code of the user.
"""
import sys

# -c puts the working directory first, which may contain another json.py.
sys.path[:] = [p for p in sys.path if p]
import json
import os

try:
    import sysconfig

    var = sysconfig.get_config_vars()
except Exception:  # incomplete installation, or another implementation: the build is unknown
    var = {}


def text(name):
    value = var.get(name)
    return value if isinstance(value, str) else ""


def known(value):
    """Convert a build variable (0, 1, "" or missing) to True, False or None."""
    return None if value is None or value == "" else bool(value)


configured = text("CONFIG_ARGS")
compiled = " ".join(
    (text("CFLAGS"), text("CONFIGURE_CFLAGS_NODIST") or text("PY_CFLAGS_NODIST"))
).split()
linked = " ".join(
    (text("LDFLAGS"), text("CONFIGURE_LDFLAGS_NODIST"), text("PY_CORE_LDFLAGS"))
).split()
# Debian clears these variables after the build and conda replaces them, so a missing option proves
# nothing there. configure itself always sets PGO_PROF_USE_FLAG.
conclusive = bool(configured and text("PGO_PROF_USE_FLAG"))
base_prefix = getattr(sys, "base_prefix", sys.prefix)
conclusive = conclusive and not os.path.isdir(os.path.join(base_prefix, "conda-meta"))
pgo = "--enable-optimizations" in configured
pgo = pgo or any("-fprofile-use" in f for f in text("PY_CORE_CFLAGS").split())
lto = "--with-lto" in configured or any(f.startswith("-flto") for f in compiled + linked)
lto = lto and "--with-lto=no" not in configured and "--without-lto" not in configured

jit = getattr(sys, "_jit", None)
implementation = getattr(sys, "implementation", None)
name = implementation.name if implementation else "cpython"
info = sys.version_info
stage = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info[3])
if hasattr(sys, "abiflags"):  # compiled in; sysconfig reads a file that may be of another build
    free_threaded = "t" in sys.abiflags
else:
    free_threaded = bool(var.get("Py_GIL_DISABLED"))

print("ungil-probe " + json.dumps({
    "implementation": name,
    "version": {
        "major": info[0], "minor": info[1], "micro": info[2],
        "pre": stage and "%s%d" % (stage, info[4]),
    },
    "free_threaded": free_threaded,
    "executable": sys.executable,
    "build": {
        "compiler": sys.version.rpartition("[")[2].rstrip("]") if "[" in sys.version else None,
        "pgo": True if pgo else False if conclusive else None,
        "lto": True if lto else False if conclusive else None,
        "debug": (
            hasattr(sys, "gettotalrefcount") if name == "cpython" else known(var.get("Py_DEBUG"))
        ),
        "shared": known(var.get("Py_ENABLE_SHARED")) if name == "cpython" else None,
        "jit": jit.is_available() if jit else None,
        "cflags": " ".join(compiled) or None,
    },
}))
