"""Pull one organization in a separate process, like a run on another machine.

Arguments: the integration as JSON, and the folder for files that outlive a run. Prints the
result as JSON.
"""

import json
import sys
from pathlib import Path

from pipelines.config.integration import Integration
from pipelines.extract.pull import pull_organization


def main() -> None:
    pulled = pull_organization(Integration.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
    found = {
        "throttled": pulled.throttle.throttled,
        "is_shared": pulled.throttle.is_shared,
        "rows": {name: table.num_rows for name, table in pulled.tables.items()},
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
