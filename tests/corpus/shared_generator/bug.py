"""Hands the items of a generator to several threads."""

import threading


def load_bundles(count):
    for number in range(count):
        yield f"bundle-{number}"


def work(bundles, seen, ended):
    for bundle in bundles:
        seen.append(bundle)
    ended.append(True)


def main():
    seen, ended = [], []
    bundles = load_bundles(60)
    threads = [threading.Thread(target=work, args=(bundles, seen, ended)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 60 and len(ended) == 3, (len(seen), ended)


if __name__ == "__main__":
    main()
