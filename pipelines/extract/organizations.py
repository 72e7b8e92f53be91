"""The organisations that a key reads."""

import pyarrow as pa

from pipelines.extract.client import JumpCloudClient
from pipelines.extract.completeness import ListId
from pipelines.extract.coordinator import PAGE_SIZE, page_request
from pipelines.extract.endpoints import ORGANIZATIONS
from pipelines.extract.reading import Reading
from pipelines.extract.records import page_of


def read_organizations(client: JumpCloudClient) -> pa.Table:
    """The whole list, with the columns of the endpoint `organizations`.

    Raises:
        ExtractError: it could not be read to its end.
    """
    list_id = ListId(ORGANIZATIONS.name)
    reading = Reading(list_id, PAGE_SIZE, is_sorted=ORGANIZATIONS.sorted_by_key)
    offsets = reading.start()
    while offsets:
        skip = offsets.pop()
        answer = client.send(page_request(ORGANIZATIONS, list_id, skip, reading.limit))
        offsets += reading.accept(page_of(ORGANIZATIONS, "", answer, skip, reading.limit))
    return pa.Table.from_batches(reading.rows(), ORGANIZATIONS.table_schema)
