"""Threaded objects: size JSON records parsed and counted.

Workers process slices of one shared list of strings: they count ages by decade, tags and scores, store
a checksum in each record, and write and parse a summary as JSON. Many short-lived dicts and strings
are used only by the thread that created them.
"""

import json

import ungil_suite as suite


def records(size):
    return [
        json.dumps(
            {
                "id": i,
                "dob": {"age": i % 90 + 10},
                "active": i % 3 == 0,
                "scores": {"math": i % 50 / 10, "lang": i % 40 / 10},
                "tags": [f"tag{i % 5}", f"group{i % 7}"],
            }
        )
        for i in range(size)
    ]


def parse(texts, low, high):
    decades, tags = {}, {}
    scores = {"math": 0.0, "lang": 0.0}
    checksums = 0
    for text in texts[low:high]:
        record = json.loads(text)
        age = record["dob"]["age"]
        decade = age // 10
        decades[decade] = decades.get(decade, 0) + 1
        for tag in record["tags"]:
            tags[tag] = tags.get(tag, 0) + 1
        for subject in scores:
            scores[subject] += record["scores"][subject]
        record["checksum"] = record["id"] ^ age
        summary = {
            "id": record["id"],
            "age": age,
            "active": record["active"],
            "decade": decade,
            "tags": len(record["tags"]),
        }
        checksums += json.loads(json.dumps(summary))["id"] ^ record["checksum"] ^ age
    return decades, tags, scores, checksums


def main():
    chosen = suite.options(__doc__, 50_000, workers=True, models=suite.ANY)
    texts = records(chosen.size)
    with suite.pool(chosen) as pool:
        with suite.phase():
            done = suite.collect(suite.spread(pool, chosen, parse, texts))
    decades, tags = {}, {}
    for part in done:
        for total, counts in (decades, part[0]), (tags, part[1]):
            for key, count in counts.items():
                total[key] = total.get(key, 0) + count
    right = {}
    for i in range(chosen.size):
        right[(i % 90 + 10) // 10] = right.get((i % 90 + 10) // 10, 0) + 1
    suite.check(decades == right, f"ages by decade are {decades}, not {right}")
    suite.check(
        sum(tags.values()) == 2 * chosen.size, f"{sum(tags.values())} tags, not {2 * chosen.size}"
    )
    suite.check(not any(part[3] for part in done), "a checksum did not survive")
    score = sum(part[2]["math"] for part in done)
    expected = sum(i % 50 for i in range(chosen.size)) / 10
    suite.check(
        abs(score - expected) < 1e-6 * chosen.size, f"the scores add up to {score}, not {expected}"
    )
    print(sorted(tags.items()))


if __name__ == "__main__":
    main()
