import sys


class Switch:
    def setswitchinterval(self, seconds):
        self.seconds = seconds


def known():
    Switch().setswitchinterval(1000)
    return sys.getswitchinterval()
