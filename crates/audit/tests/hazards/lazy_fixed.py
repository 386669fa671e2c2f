import threading

lock = threading.Lock()
client = None
done = False
name = None


class Client:
    _instance = None
    _lock = threading.Lock()

    def __new__(cls):
        if cls._instance is None:
            with cls._lock:
                if cls._instance is None:
                    cls._instance = super().__new__(cls)
        return cls._instance


class Page:
    def __init__(self, text=None):
        self._lines = None
        if text is None:
            text = str()
        self.text = text

    def lines(self):
        if self._lines is None:
            self._lines = self.text.splitlines()
        return self._lines


def get_client():
    global client
    if client is None:
        with lock:
            if client is None:
                client = Client()
    return client


def close():
    global client, done
    if client is not None:
        client = None
    if not done:
        done = True


def choose(value=None):
    if value is None:
        value = Client()
    client = None
    if client is None:
        client = Client()
    return value, client
