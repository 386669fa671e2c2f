import ctypes
from ctypes import CDLL, pythonapi

api = ctypes.PyDLL("libx.so")  # expect: ungil/ctypes-holds-gil high
buffer = ctypes.create_string_buffer(100)
lib = CDLL("liby.so")  # expect: ungil/foreign-call medium


def borrowed(items):
    return pythonapi.PyList_GetItem(items, 0)  # expect: ungil/ctypes-holds-gil high


def kill(thread):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # expect: ungil/ctypes-holds-gil medium
