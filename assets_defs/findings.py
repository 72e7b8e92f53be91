"""The findings as checks on the assets that they are about, so that the UI shows them."""

from collections.abc import Iterator

import dagster as dg

from assets_defs.keys import table_key
from assets_defs.places import published_file
from assets_defs.publication import inventory_duckdb
from pipelines.errors import InventoryError
from pipelines.findings.catalogue import FINDINGS
from pipelines.findings.finding import SCHEMA
from pipelines.load.findings import found_in

_SPECS = [
    dg.AssetCheckSpec(
        each.name,
        asset=table_key(each.asset_type),
        additional_deps=[inventory_duckdb],
        description=f"{each.why} {each.remedy}",
    )
    for each in FINDINGS
]


# Of all integrations: the UI shows of a check its latest result, whichever run it came from.
@dg.multi_asset_check(name="findings", specs=_SPECS)
def findings() -> Iterator[dg.AssetCheckResult]:
    """Warn of whatever the published file finds; what is published stays."""
    try:
        for found in found_in(published_file()):
            finding = found.finding
            yield dg.AssetCheckResult(
                check_name=finding.name,
                asset_key=table_key(finding.asset_type),
                passed=found.count == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{finding.title}: {found.count} ({SCHEMA}.{finding.name})",
                metadata={"count": found.count, "first": ", ".join(found.names)},
            )
    except InventoryError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
