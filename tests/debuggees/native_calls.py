"""Threads inside the kernel, without the GIL, each in a different system call."""
import os
import select
import signal
import socket
import subprocess
import sys
import time

import look


def sleep():
    time.sleep(86400)


def receive(end):
    end.recv(1)


def accept(door):
    door.accept()


def choose(end):
    select.select([end], [], [])


def poll(end):
    many = select.epoll()
    many.register(end, select.EPOLLIN)
    many.poll()


def wait(child):
    os.waitpid(child, 0)


def signals():
    signal.sigwait({signal.SIGUSR1})


ends = socket.socketpair()
door = socket.create_server(("127.0.0.1", 0))
child = subprocess.Popen([sys.executable, "-c", "import os; os.read(0, 1)"])  # ends when standard input is closed
for name, calls, target, *arguments in (
    ("sleeper", ["clock_nanosleep"], sleep),
    ("receiver", ["recvfrom"], receive, ends[0]),
    ("acceptor", ["accept4", "accept"], accept, door),
    ("chooser", ["select", "pselect6"], choose, ends[1]),
    ("poller", ["epoll_wait", "epoll_pwait"], poll, ends[1]),
    ("reaper", ["wait4", "waitid"], wait, child.pid),
    ("signalled", ["rt_sigtimedwait"], signals),
):
    look.state(look.thread(name, target, *arguments), "syscall", calls=calls)
look.tell()
