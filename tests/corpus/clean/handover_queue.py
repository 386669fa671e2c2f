"""Three stages change one document each; a queue hands the document over."""

import queue
import threading


def stage(inbox, outbox, name):
    for document in iter(inbox.get, None):
        document["stages"].append(name)
        document["words"] += 1
        outbox.put(document)
    outbox.put(None)


def main():
    queues = [queue.SimpleQueue(), queue.Queue(maxsize=3), queue.SimpleQueue(), queue.Queue()]
    threads = [
        threading.Thread(target=stage, args=(queues[number], queues[number + 1], name))
        for number, name in enumerate(("read", "parse", "index"))
    ]
    for thread in threads:
        thread.start()
    for _ in range(200):
        queues[0].put({"stages": [], "words": 0})
    queues[0].put(None)
    documents = list(iter(queues[3].get, None))
    for thread in threads:
        thread.join()
    assert len(documents) == 200
    for document in documents:
        document["words"] += 1
        assert document == {"stages": ["read", "parse", "index"], "words": 4}


if __name__ == "__main__":
    main()
