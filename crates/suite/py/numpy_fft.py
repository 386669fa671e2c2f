"""NumPy: the Fourier transform of normal random numbers, and the sum of its magnitudes.

size float64s. One call into C, on one thread.
"""

import ungil_suite as suite


def main():
    chosen = suite.options(__doc__, 2_000_000)
    import numpy

    signal = numpy.random.default_rng(123).standard_normal(chosen.size)
    with suite.phase():
        magnitudes = numpy.abs(numpy.fft.fft(signal))
        total = float(magnitudes.sum())
    # Parseval: a signal and its spectrum have the same energy.
    there, here = float(magnitudes @ magnitudes), float(signal @ signal) * chosen.size
    suite.check(abs(there - here) <= 1e-9 * here, f"the spectrum's energy is {there}, not {here}")
    print(f"{total:.6g}")


if __name__ == "__main__":
    main()
