"""Threaded numerical: size particles that attract each other, 10 steps.

Each step computes the forces between all pairs. Positions and velocities are tuples of floats: workers
compute new ones for their range of particles, the main thread collects them, and the next step, with a
new pool, reads them.
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
    """Return new positions and velocities; `first` is the index of the first particle in `velocities`."""
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
    """Return the velocity of a particle after `seconds`, starting at rest."""
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
        ) as pool:  # otherwise the start of processes in each step would dominate
            with suite.phase():
                for _ in range(STEPS):
                    positions, velocities = step(pool, chosen, positions, velocities)
    after = [sum(axis) for axis in zip(*velocities)]
    # Action equals reaction: momentum is conserved.
    kept = all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(before, after))
    suite.check(kept, f"the momentum was {before} and is {after}")
    # The particles are so far apart that the forces are almost constant.
    there = lattice(chosen.size)
    expected = pulled(there[0], there[1:], SECONDS)
    near = all(
        math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-20) for a, b in zip(velocities[0], expected)
    )
    suite.check(near, f"the first particle's velocity is {velocities[0]}, not {expected}")
    print(positions[-1], velocities[0])


if __name__ == "__main__":
    main()
