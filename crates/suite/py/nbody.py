"""Threaded numerical: size particles that attract each other, 10 steps.

Every particle meets every other in each step. Positions and velocities are tuples of floats: workers compute new ones for their
range of particles, the main thread puts them together, and the next step, with a new pool, reads them.
"""

import math

import ungil_suite as suite

STEPS = 10
GRAVITY = 6.67430e-11
STEP_S = 0.01
SOFTENING = 1e-9
SECONDS = STEPS * STEP_S


def lattice(size):
    side = round(size ** (1 / 3)) or 1
    return [
        (
            (i % side - side / 2) * 1e3,
            (i // side % side - side / 2) * 1e3,
            (i // (side * side) - side / 2) * 1e3,
        )
        for i in range(size)
    ]


def moved(velocities, low, high, first, positions):
    """New positions and velocities of particles; `first` is the number of the particle that `velocities` begins with."""
    new_positions, new_velocities = [], []
    for i in range(low, high):
        me = first + i
        x, y, z = positions[me]
        u, v, w = velocities[i]
        ax = ay = az = 0.0
        for other in range(len(positions)):
            if other == me:
                continue
            px, py, pz = positions[other]
            dx, dy, dz = px - x, py - y, pz - z
            near = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz + SOFTENING)
            pull = GRAVITY * near * near * near
            ax += pull * dx
            ay += pull * dy
            az += pull * dz
        u, v, w = u + ax * STEP_S, v + ay * STEP_S, w + az * STEP_S
        new_velocities.append((u, v, w))
        new_positions.append((x + u * STEP_S, y + v * STEP_S, z + w * STEP_S))
    return new_positions, new_velocities


def pulled(me, others, seconds):
    """The velocity of a particle at rest after a time."""
    velocity = (0.0, 0.0, 0.0)
    for other in others:
        cube = (math.dist(me, other) ** 2 + SOFTENING) ** 1.5
        velocity = tuple(
            v + GRAVITY * (b - a) / cube * seconds for v, a, b in zip(velocity, me, other)
        )
    return velocity


def step(pool, chosen, positions, velocities):
    size = len(positions)
    futures = []
    for low, high in suite.parts(size, chosen.workers):
        if chosen.model == "threads":
            futures.append((low, pool.submit(moved, velocities, low, high, 0, positions)))
        else:
            futures.append(
                (low, pool.submit(moved, velocities[low:high], 0, high - low, low, positions))
            )
    positions, velocities = [None] * size, [None] * size
    for low, future in futures:
        for offset, (position, velocity) in enumerate(zip(*future.result())):
            positions[low + offset] = position
            velocities[low + offset] = velocity
    return positions, velocities


def main():
    chosen = suite.options(__doc__, 400, workers=True, models=suite.ANY)
    positions = lattice(chosen.size)
    velocities = [(0.0, 0.0, 0.0 if i % 2 == 0 else 1e-3) for i in range(chosen.size)]
    before = [sum(axis) for axis in zip(*velocities)]
    if chosen.model == "threads":
        with suite.phase():
            for _ in range(STEPS):
                with suite.pool(chosen) as pool:
                    positions, velocities = step(pool, chosen, positions, velocities)
    else:
        with suite.pool(
            chosen
        ) as pool:  # starting processes anew for each step would be all that is measured
            with suite.phase():
                for _ in range(STEPS):
                    positions, velocities = step(pool, chosen, positions, velocities)
    after = [sum(axis) for axis in zip(*velocities)]
    # Each pull has its counterpart: momentum stays.
    kept = all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(before, after))
    suite.check(kept, f"the momentum was {before} and is {after}")
    # So weak and so far apart are they that each pull hardly changes in so short a time.
    there = lattice(chosen.size)
    expected = pulled(there[0], there[1:], SECONDS)
    near = all(
        math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-20) for a, b in zip(velocities[0], expected)
    )
    suite.check(near, f"the first particle's velocity is {velocities[0]}, not {expected}")
    print(positions[-1], velocities[0])


if __name__ == "__main__":
    main()
