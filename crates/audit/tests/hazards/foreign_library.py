import ctypes
from cffi import FFI

ffi = FFI()
lib = ctypes.CDLL("liby.so")  # expect: ungil/foreign-call low


def load():
    return ffi.dlopen("libz.so")  # expect: ungil/foreign-call low
