"""Runs code with locks and threads in a subinterpreter, also from a thread."""

from concurrent import interpreters

CODE = """
import threading
lock = threading.Lock()
with lock:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
"""

if __name__ == "__main__":
    interpreter = interpreters.create()
    interpreter.exec(CODE)
    interpreter.call_in_thread(int).join()
    interpreter.close()
