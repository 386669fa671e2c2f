"""Subinterpreters: the structures belong to one interpreter, and others get an ImportError."""

import sys

import pytest
from processes import run_script

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="needs concurrent.interpreters (3.14)"
)


def test_a_subinterpreter_gets_a_clear_error():
    done = run_script(
        """
        from concurrent import interpreters
        import ungil

        other = interpreters.create()
        try:
            other.exec("import ungil")
        except interpreters.ExecutionFailed as error:
            print("refused:", error.excinfo.type.__name__, error.excinfo.msg)
        else:
            # Supported, then: it must work there.
            other.exec("import ungil; d = ungil.Adder(); d.add(2); assert d.sum() == 2")
            print("refused: not, it works")
        other.close()
        adder = ungil.Adder()
        adder.add(1)
        assert adder.sum() == 1
        """
    )
    assert "refused: ImportError" in done.stdout or "it works" in done.stdout, done.stdout
    if "ImportError" in done.stdout:
        assert "interpreter" in done.stdout, done.stdout


def test_a_subinterpreter_that_imports_first():
    """The first interpreter that imports the package may use it; the other gets an error.

    Neither crashes.
    """
    run_script(
        """
        from concurrent import interpreters

        other = interpreters.create()
        first = True
        try:
            other.exec("import ungil; ungil.Adder().add(1)")
        except interpreters.ExecutionFailed as error:
            assert error.excinfo.type.__name__ == "ImportError"
        try:
            import ungil
            ungil.Adder().add(1)
        except ImportError as error:
            assert "interpreter" in str(error)
        other.close()
        """
    )


def test_interpreters_in_threads():
    run_script(
        """
        import threading
        from concurrent import interpreters

        def attempt():
            other = interpreters.create()
            try:
                other.exec("import ungil")
            except interpreters.ExecutionFailed:
                pass
            other.close()

        import ungil
        threads = [threading.Thread(target=attempt) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """
    )
