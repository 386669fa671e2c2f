"""What an interpreter says of itself, as one line of JSON.

Runs under anything that may be called python, 2.7 to the newest, PyPy and GraalPy: hence the old syntax. It runs
without site (-S), so that it is fast and runs nothing of the user's.
"""
import sys

sys.path[:] = [p for p in sys.path if p]  # -c puts the working directory first, and who knows what json.py is there
import json
import os

try:
    import sysconfig

    var = sysconfig.get_config_vars()
except Exception:  # half of an installation, or an implementation without it: then nothing is known of the build
    var = {}


def text(name):
    value = var.get(name)
    return value if isinstance(value, str) else ""


def known(value):
    """A build variable that may be 0, 1, "" or missing, as True, False or None."""
    return None if value is None or value == "" else bool(value)


configured = text("CONFIG_ARGS")
compiled = " ".join((text("CFLAGS"), text("CONFIGURE_CFLAGS_NODIST") or text("PY_CFLAGS_NODIST"))).split()
linked = " ".join((text("LDFLAGS"), text("CONFIGURE_LDFLAGS_NODIST"), text("PY_CORE_LDFLAGS"))).split()
# Debian empties these variables after the build and conda fills in its own, so there the lack of an option shows
# nothing. configure itself always sets PGO_PROF_USE_FLAG.
telling = bool(configured and text("PGO_PROF_USE_FLAG"))
telling = telling and not os.path.isdir(os.path.join(getattr(sys, "base_prefix", sys.prefix), "conda-meta"))
pgo = "--enable-optimizations" in configured or any("-fprofile-use" in f for f in text("PY_CORE_CFLAGS").split())
lto = "--with-lto" in configured or any(f.startswith("-flto") for f in compiled + linked)
lto = lto and "--with-lto=no" not in configured and "--without-lto" not in configured

jit = getattr(sys, "_jit", None)
implementation = getattr(sys, "implementation", None)
name = implementation.name if implementation else "cpython"
info = sys.version_info
stage = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info[3])
if hasattr(sys, "abiflags"):  # compiled in, where sysconfig reads a file that may belong to another build
    free_threaded = "t" in sys.abiflags
else:
    free_threaded = bool(var.get("Py_GIL_DISABLED"))

print("ungil-probe " + json.dumps({
    "implementation": name,
    "version": {"major": info[0], "minor": info[1], "micro": info[2], "pre": stage and "%s%d" % (stage, info[4])},
    "free_threaded": free_threaded,
    "executable": sys.executable,
    "build": {
        "compiler": sys.version.rpartition("[")[2].rstrip("]") if "[" in sys.version else None,
        "pgo": True if pgo else False if telling else None,
        "lto": True if lto else False if telling else None,
        "debug": hasattr(sys, "gettotalrefcount") if name == "cpython" else known(var.get("Py_DEBUG")),
        "shared": known(var.get("Py_ENABLE_SHARED")) if name == "cpython" else None,
        "jit": jit.is_available() if jit else None,
        "cflags": " ".join(compiled) or None,
    },
}))
