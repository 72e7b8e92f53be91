"""Generate `docs/reference/findings.md` from the catalog: meaning, remedy and SQL."""

from collections.abc import Mapping

from pipelines.config.thresholds import DEFAULT_THRESHOLDS
from pipelines.findings.catalog import FINDINGS, SUMMARY, THRESHOLDS
from pipelines.findings.model import COLUMNS, SCHEMA, Finding
from pipelines.schema.macros import MACROS
from pipelines.schema.model import Macro

_HEAD = f"""\
# Findings, and access explained

Made by `make docs` from the catalog in `pipelines/findings/`, and a test compares it.

`inventory.duckdb` answers {len(FINDINGS)} questions of security by itself: each is a view in schema
`{SCHEMA}`, over the tables of the same file, so they work wherever it is copied.

```sql
FROM {SCHEMA}.{SUMMARY.name};  -- how many there are of each, none included
FROM {SCHEMA}.{FINDINGS[0].name} ORDER BY since;
```

- What is unknown is no finding: a flag that JumpCloud did not send, or a list that was not pulled
  (`details`, `skip_endpoints`, `association_targets`), is NULL and violates nothing. Where a list
  that a question takes was not pulled, or, of those that take two snapshots, not in the one
  before, its count in `{SCHEMA}.{SUMMARY.name}` is NULL, not 0, unless something was found all the
  same.
- Time is that of the snapshot, not of the reader: a device is stale, or new, as of the pull. What
  is a finding today is one when the file is opened in a year.
- `since` comes from `changes` and first sight: nothing began, as far as the history tells, before
  the first snapshot. It is the start of a pull, unless the finding says otherwise. A column named
  in `volatile_columns` tells of no beginning.
- Each view is also a check in Dagster's UI, on the assets that it is about: a warning, never a
  failure.

The thresholds are settings:

```toml
[findings]
"""
_AFTER_SETTINGS = f"""\
```

They belong to a snapshot: table `{SCHEMA}.{THRESHOLDS.name}` has those of the latest pull of each
integration, and a change counts from the next pull on.

Every view has these columns:
"""
_ACCESS = """\
# Access explained

Why someone reaches something: table macros, one row for each path. They are called like tables:

```sql
FROM access_paths('alice', 'db-2');
FROM system_access('db-2') WHERE sudo OR global_admin;
```

Names are matched exactly, and in every integration; the rows say which. Of the paths of one
integration none leads through another. A file that is attached to another database must be in use
(`USE inventory`).
"""


def document() -> str:
    """The page in Markdown."""
    thresholds = [
        f"{f'{name} = {getattr(DEFAULT_THRESHOLDS, name)}':<24}# {column.description}\n"
        for column in THRESHOLDS.columns
        if (name := column.name) != "integration"
    ]
    parts = [
        _HEAD + "".join(thresholds) + _AFTER_SETTINGS,
        _listed(COLUMNS),
        _overview(),
        *map(_section, FINDINGS),
        _ACCESS,
        *map(_macro, MACROS),
    ]
    return "\n".join(parts)


def _overview() -> str:
    rows = [f"| [`{e.name}`](#{e.name}) | {e.severity} | {e.title} |\n" for e in FINDINGS]
    return "| view | severity | a row is |\n|---|---|---|\n" + "".join(rows)


def _section(finding: Finding) -> str:
    return f"""\
## {finding.name}

{finding.title}. Severity: {finding.severity}.

**Why it matters.** {finding.why}

**What to do.** {finding.remedy}

**Evidence.**

{_listed(finding.evidence)}
**Since.** {finding.since}.
{_takes(finding)}
```sql
{finding.view.sql.strip()}
```
"""


def _takes(finding: Finding) -> str:
    takes = [
        *(f"the list `{each}`" for each in finding.needs),
        *(f"the associations with targets of type `{each}`" for each in finding.targets),
        *["two snapshots"] * finding.compares,
    ]
    return f"\n**Takes.** {', '.join(takes)}.\n" if takes else ""


def _macro(macro: Macro) -> str:
    return f"""\
## {macro.name}({", ".join(macro.parameters)})

{macro.description}.

{_listed(macro.parameters)}
Columns:

{_listed(macro.columns)}"""


def _listed(meanings: Mapping[str, str]) -> str:
    return "".join(f"- `{name}`: {text}\n" for name, text in meanings.items())
