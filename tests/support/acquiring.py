"""Takes times of a key without end, in a process of its own; each but the first few is a wait.

Arguments: the key. Prints a line when its first calls have gone out.
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
