import os
import subprocess
import sys


def quiet():
    sys.setswitchinterval(1000)  # expect: ungil/switch-interval high


def eager():
    sys.setswitchinterval(1e-6)  # expect: ungil/switch-interval low


def guard():
    if sys._is_gil_enabled():  # expect: ungil/gil-guard low
        return
    os.environ["PYTHON_GIL"] = "0"  # expect: ungil/gil-guard low
    subprocess.run([sys.executable, "-Xgil=0", "x.py"])  # expect: ungil/gil-guard low
