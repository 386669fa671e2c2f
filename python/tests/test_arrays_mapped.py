import array
import gc
import multiprocessing
import os
import pickle
import struct
from collections.abc import Sequence

import pytest
from deadlines import run_code, wait_for_child
from test_atomics import in_threads

from ungil import MappedArray

VALUES = {
    "b": [-128, 127],
    "B": [0, 255],
    "h": [-32768, 32767],
    "H": [0, 65535],
    "i": [-(2**31), 2**31 - 1],
    "I": [0, 2**32 - 1],
    "q": [-(2**63), 2**63 - 1],
    "Q": [0, 2**64 - 1],
    "f": [1.5, -0.25],
    "d": [1e300, -0.1],
}


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(array.array("d", range(1000)).tobytes())
    return path


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_of_number(tmp_path, kind):
    values = VALUES[kind] * 3
    path = tmp_path / "numbers"
    path.write_bytes(b"xyz" + struct.pack(f"={len(values)}{kind}", *values))
    mapped = MappedArray(path, kind, offset=3)
    assert (
        list(mapped) == values
        and mapped[-1] == values[-1]
        and len(mapped) == 6
        and mapped.type == kind
    )
    assert memoryview(mapped).format == kind and memoryview(mapped).tolist() == values
    assert list(MappedArray(path, kind, 2, 3)) == values[:2]


def test_it_is_a_sequence(numbers):
    mapped = MappedArray(numbers)
    assert isinstance(mapped, Sequence) and len(mapped) == 1000
    assert 17.0 in mapped and 1.5 not in mapped and mapped.index(17) == 17 and mapped.count(3) == 1
    assert list(reversed(mapped))[:2] == [999.0, 998.0]
    for index, error in (
        (1000, IndexError),
        (-1001, IndexError),
        (2**100, IndexError),
        ("0", TypeError),
    ):
        with pytest.raises(error):
            mapped[index]
    with pytest.raises(TypeError):
        mapped[0] = 1
    assert str(numbers) in repr(mapped) and mapped.path == numbers


def test_a_slice_is_a_view(numbers):
    part = MappedArray(numbers)[10:20:3]
    gc.collect()
    assert type(part) is memoryview and part.readonly and part.tolist() == [10, 13, 16, 19]


def test_numpy(numbers):
    numpy = pytest.importorskip("numpy")
    seen = numpy.asarray(MappedArray(numbers))
    assert seen.sum() == 499500 and not seen.flags.writeable


def test_invalid_files_are_rejected(numbers, tmp_path):
    for arguments, error in [
        ((numbers, "x"), ValueError),
        ((numbers, "dd"), ValueError),
        ((numbers, "d", 1001), ValueError),
        ((numbers, "d", 2**62), ValueError),
        ((numbers, "d", None, 4), ValueError),
        ((numbers, "d", None, 8001), ValueError),
        ((numbers, "d", -1), OverflowError),
        ((numbers, "d", None, -1), OverflowError),
        ((numbers, "d", 2**100), OverflowError),
        ((tmp_path / "none",), FileNotFoundError),
        ((tmp_path,), (ValueError, OSError)),
        (("/dev/zero",), ValueError),
        ((5,), TypeError),
    ]:
        with pytest.raises(error):
            MappedArray(*arguments)


def test_the_error_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        MappedArray(tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none") and caught.value.errno == 2


def test_an_empty_file(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    with MappedArray(path) as mapped:
        assert (
            len(mapped) == 0
            and list(mapped) == []
            and memoryview(mapped).tolist() == []
            and mapped[:].tolist() == []
        )


def test_closing(numbers):
    with MappedArray(numbers) as mapped:
        assert mapped[3] == 3 and not mapped.closed
        view = memoryview(mapped)
        with pytest.raises(BufferError, match="1 view"):
            mapped.close()
        assert mapped[3] == 3
        view.release()
    assert mapped.closed and "closed" in repr(mapped)
    mapped.close()
    for use in (
        lambda: mapped[0],
        lambda: memoryview(mapped),
        lambda: list(mapped),
        lambda: mapped[:],
        lambda: pickle.dumps(mapped),
        mapped.__enter__,
    ):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_close_during_concurrent_reads(numbers):
    mapped = MappedArray(numbers, "d", 999, 8)

    def work(n):
        if n == 0:
            for _ in range(1000):
                mapped[0]
            mapped.close()
        else:
            try:
                while True:
                    assert mapped[500] == 501.0
            except ValueError:
                pass

    in_threads(work)


def test_a_rejected_view_is_not_counted(numbers):
    mapped = MappedArray(numbers)
    with pytest.raises((BufferError, TypeError)):
        mapped_file = open(os.devnull, "rb")
        mapped_file.readinto(mapped)
    mapped_file.close()
    mapped.close()


def test_pickled_by_its_path(numbers, monkeypatch):
    monkeypatch.chdir(numbers.parent)
    mapped = MappedArray("numbers", "d", 10, 80)
    data = pickle.dumps(mapped)
    assert len(data) < 300
    monkeypatch.chdir("/")
    assert list(pickle.loads(data)) == list(mapped) == [float(i) for i in range(10, 20)]


def test_in_another_process(numbers):
    data = pickle.dumps(MappedArray(numbers))
    code = "import pickle, sys; print(sum(pickle.loads(sys.stdin.buffer.read())))"
    assert run_code(code, stdin=data, text=False).stdout.strip() == b"499500.0"


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_fork(numbers):
    mapped = MappedArray(numbers)
    child = os.fork()
    if not child:
        os._exit(0 if mapped[7] == 7 and sum(mapped) == 499500 else 1)
    assert wait_for_child(child) == 0
