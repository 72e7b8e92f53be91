"""Print a generated page: `python -m pipelines.docgen data-dictionary|findings`."""

import sys

from pipelines.docgen.data_dictionary import data_dictionary_page
from pipelines.docgen.findings import findings_page

PAGES = {"data-dictionary": data_dictionary_page, "findings": findings_page}

if __name__ == "__main__":
    if sys.argv[1:] not in ([name] for name in PAGES):
        sys.exit(f"usage: python -m pipelines.docgen {'|'.join(PAGES)}")
    print(PAGES[sys.argv[1]](), end="")  # noqa: T201 -- the page is the output
