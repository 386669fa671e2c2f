"""Names of threads, functions and files of one, two and four bytes a character, and one with half a surrogate pair."""
import threading

import look

L = threading.Lock()
SOURCE = """
def größe(take, stay):
    def внутри():
        def 関数():
            with take:
                stay()
        関数()
    внутри()
"""


def held():
    look.arrived()
    look.stay()


def define(file):
    space = {}
    exec(compile(SOURCE, file, "exec"), space)
    return space["größe"]


holder = look.thread("arbeiter-ü-поток-スレッド-🧵", define("/nirgends/größe/файл/ファイル-🐍.py"), L, held)
look.has_arrived(holder)
look.holds(holder, L)
waiter = look.thread("latin-é", define("/nirgends/é.py"), L, held)
look.waits(waiter, L, holder)
look.tell()
