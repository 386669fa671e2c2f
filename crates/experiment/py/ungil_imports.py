"""List imported modules whose byte code is not cached, for `ungil compare`.

Imports are read from the syntax trees (only at the top level and in `try`) and resolved as the
import system does; no code of the workload runs. Standard library modules are checked, but their
imports are not followed.
"""

import ast
import importlib.util
import json
import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader

MAX_MODULES = 300


def cached(source):
    """Whether a source file has cached byte code that the import system would use."""
    try:
        with open(importlib.util.cache_from_source(source), "rb") as file:
            head = file.read(16)
        stat = os.stat(source)
    except (OSError, NotImplementedError):
        return False
    if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER:
        return False
    flags, mtime, size = (int.from_bytes(head[i : i + 4], "little") for i in (4, 8, 12))
    return bool(flags & 1) or (mtime, size) == (
        int(stat.st_mtime) & 0xFFFFFFFF,
        stat.st_size & 0xFFFFFFFF,
    )


def statements(body):
    """Yield the import statements that run whenever the module is imported."""
    for node in body:
        if isinstance(node, ast.Try):
            yield from statements(node.body)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def names(tree, package):
    """Yield the full names that may be modules."""
    for node in statements(tree.body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        parts = package.split(".") if node.level else []
        parts = parts[: len(parts) - node.level + 1] if node.level else parts
        base = ".".join(filter(None, [*parts, node.module or ""]))
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


class Imports:
    def __init__(self):
        self.specs = {}
        self.uncached = {}

    def spec(self, name):
        """Return the spec of a module, resolving its parents first; None if it has none or is built in."""
        if name not in self.specs and len(self.specs) < MAX_MODULES:
            parent, _, _ = name.rpartition(".")
            path = None
            if parent:
                above = self.spec(parent)
                path = above and above.submodule_search_locations
            known = name and name not in sys.builtin_module_names and (not parent or path)
            self.specs[name] = PathFinder.find_spec(name, path) if known else None
            self.visit(name, self.specs[name])
        return self.specs.get(name)

    def visit(self, name, spec):
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return
        if not cached(spec.origin):
            self.uncached[name] = spec.origin
        if name.partition(".")[0] not in sys.stdlib_module_names:
            package = name if spec.submodule_search_locations else name.rpartition(".")[0]
            self.read(spec.origin, package)

    def read(self, path, package):
        try:
            with open(path, "rb") as file:
                tree = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return
        for name in names(tree, package):
            self.spec(name)


def main(kind, target):
    imports = Imports()
    if kind == "script":
        sys.path[0] = os.path.dirname(os.path.abspath(target))
        imports.read(target, "")
    else:
        sys.path[0] = os.getcwd()
        imports.spec(target)
    if sys.dont_write_bytecode:
        why = "PYTHONDONTWRITEBYTECODE is set"
    else:
        folders = sorted({os.path.dirname(path) for path in imports.uncached.values()})
        why = f"byte code cannot be written for {', '.join(folders[:2])}"
    print(json.dumps({"modules": sorted(imports.uncached), "why": why}))


if __name__ == "__main__":
    main(*sys.argv[1:])
