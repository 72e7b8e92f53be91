"""Acquire calls with a key in an endless loop, in a separate process.

Arguments: the key. Prints a line after every six calls.
"""

import sys
import time

from pipelines.ratelimit.limiter import get_rate_limiter


def main() -> None:
    limiter = get_rate_limiter(sys.argv[1], 10.0, None)
    while True:
        for _ in range(6):
            limiter.acquire(time.sleep)
        sys.stdout.write("ready\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
