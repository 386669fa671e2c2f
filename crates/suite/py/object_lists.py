"""Threaded objects: slices of one shared list of dataclass instances, copied and rebuilt.

size persons; each worker copies its range, adds a copy of each active person that is a year older,
builds all names, appends the first half of the list to it and assigns a slice to itself. Instances and
strings are created and dropped by the same thread; only the persons themselves are shared.
"""

from dataclasses import dataclass

import ungil_suite as suite


@dataclass
class Person:
    number: int
    first: str
    last: str
    age: int
    active: bool


def churn(people, low, high):
    """Return the numbers of names and of persons, and the length of the last name."""
    crowd = []
    for person in people[low:high]:
        crowd.append(person)
        if person.active:
            older = Person(
                person.number, person.first, person.last, age=person.age + 1, active=person.active
            )
            crowd.append(older)
    names = [f"{person.first} {person.last}" for person in crowd]
    crowd = crowd + crowd[: len(crowd) // 2]
    crowd[: len(names)] = crowd[: len(names)]
    return len(names), len(crowd), len(names[-1])


def main():
    chosen = suite.options(__doc__, 200_000, workers=True, models=suite.ANY)
    people = [Person(i, f"Name{i}", f"Surname{i}", i % 80, i % 2 == 0) for i in range(chosen.size)]
    with suite.pool(chosen) as pool:
        with suite.phase():
            done = suite.collect(suite.spread(pool, chosen, churn, people))
    for (low, high), (names, crowd, letters) in zip(
        suite.parts(chosen.size, chosen.workers), done, strict=True
    ):
        active = (high + 1) // 2 - (low + 1) // 2
        all_of_them = high - low + active
        suite.check(names == all_of_them, f"{names} names from {low} to {high}, not {all_of_them}")
        suite.check(
            crowd == names + names // 2, f"{crowd} persons at the end, not {names + names // 2}"
        )
        suite.check(
            letters == len(f"Name{high - 1} Surname{high - 1}"),
            f"the last name has {letters} letters",
        )
    print(sum(person.age for person in people))


if __name__ == "__main__":
    main()
