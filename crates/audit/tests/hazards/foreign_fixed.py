import ctypes


def size():
    return ctypes.sizeof(ctypes.c_int)


class Api:
    def PyDLL(self):
        return self.PyDLL()
