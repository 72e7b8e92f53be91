"""Objects below a URL in S3, Google Cloud Storage or Azure, with conditional writes.

obstore is used because it supports conditional writes in all three, so that neither renames nor
locks are needed. Credentials come from the environment variables of each cloud's own tools.
"""

import os
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from pipelines.errors import InventoryError
from pipelines.storage.atomic import flush

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult, UpdateVersion
    from obstore.store import RetryConfig

_STATUS = re.compile(r"status code: (\d{3}[ \w]*)")
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
# After a longer outage the run fails, and is retried.
_RETRIES: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
_REFUSED = "the credentials of the environment were rejected"
_NO_CREDENTIALS = "no credentials found; docs/how-to/object-storage.md lists their variables"
# Without credentials, the library requests those of the machine's role.
_ASKED_FOR_ROLE = re.compile(r"/latest/(api/token|meta-data)|Missing(SecretAccessKey|AccessKeyId)")
_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_CONFLICT = "another machine has written it in the meantime; run again"
_Result = TypeVar("_Result")


class ObjectStoreError(InventoryError):
    """The object store cannot be reached, or rejects a request."""


class ConflictError(InventoryError):
    """Another machine has written the object since it was read."""


@dataclass(frozen=True)
class Version:
    """The version of an object: its ETag, and its version number where the store has one."""

    e_tag: str | None
    number: str | None

    @property
    def condition(self) -> "UpdateVersion":
        """Return the condition that the object has this version, without unknown values."""
        condition: UpdateVersion = {}
        if self.e_tag is not None:
            condition["e_tag"] = self.e_tag
        if self.number is not None:
            condition["version"] = self.number
        return condition


class ObjectStore:
    """Reads and writes objects below a URL, by key.

    Every method raises ObjectStoreError if the store cannot be reached or rejects the request.

    Args:
        url: for example `s3://bucket/prefix`; without credentials.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        if url.startswith("s3://"):
            _check_endpoint()
        self._store = self._translate_errors("opened", lambda: from_url(url, retry_config=_RETRIES))

    def get(self, key: str) -> tuple[bytes, Version] | None:
        """Return an object's content and version, or None if it does not exist."""

        def read() -> tuple[bytes, Version]:
            response = obstore.get(self._store, key)
            return bytes(response.bytes()), _version(response.meta)

        return self._none_if_missing(read)

    def version(self, key: str) -> Version | None:
        """Return an object's version, or None if it does not exist."""
        return self._none_if_missing(lambda: _version(obstore.head(self._store, key)))

    def download(self, key: str, path: Path) -> Version | None:
        """Stream an object to a file. Return its version, or None if it does not exist."""

        def read() -> Version:
            response = obstore.get(self._store, key)
            with path.open("wb") as file:
                for chunk in response.stream():
                    file.write(chunk)
            flush(path)
            return _version(response.meta)

        return self._none_if_missing(read)

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, or replace it."""
        self._translate_errors("written", lambda: obstore.put(self._store, key, content))

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the store, or replace the target."""
        self._translate_errors("written", lambda: obstore.copy(self._store, key, target))

    def put_if(self, key: str, content: bytes | Path, before: Version | None) -> Version:
        """Write an object if its version has not changed. Return the new version.

        Args:
            key: key of the object.
            content: bytes, or a file. It is sent in one request from memory: at most 5 GB in S3.
            before: expected version; None if the object must not exist.

        Raises:
            ConflictError: the object has another version.
        """
        mode: UpdateVersion | Literal["create"] = before.condition if before else "create"
        try:
            return self._translate_errors(
                "written",
                lambda: _version(
                    obstore.put(self._store, key, content, mode=mode, use_multipart=False)
                ),
            )
        except ConflictError:
            # The request may be a retry of our own write, after its response was lost.
            current = self.get(key)
            ours = content.read_bytes() if isinstance(content, Path) else content
            if current is None or current[0] != ours:
                raise ConflictError(f"{self.url}/{key}: {_CONFLICT}") from None
            return current[1]

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and folders in a folder."""
        found = self._translate_errors(
            "listed", lambda: obstore.list_with_delimiter(self._store, folder)
        )
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def objects(self, folder: str) -> list[tuple[str, datetime]]:
        """Return key and time of writing of all objects below a folder."""
        found = self._translate_errors("listed", lambda: list(obstore.list(self._store, folder)))
        return [(meta["path"], meta["last_modified"]) for page in found for meta in page]

    def delete(self, keys: list[str]) -> None:
        """Remove objects. Missing objects are ignored."""

        def remove(target: str | list[str]) -> bool:
            obstore.delete(self._store, target)
            return True

        if not self._none_if_missing(lambda: remove(keys), "written"):
            # Except in S3, the first missing object ends the request.
            for key in keys:
                self._none_if_missing(partial(remove, key), "written")

    def check_conditions(self, folder: str) -> None:
        """Check that the store supports conditional writes; some S3 imitations ignore conditions.

        Raises:
            ObjectStoreError: the store ignores conditions.
        """
        key = f"{folder}/.probe-{uuid.uuid4()}"
        try:
            first = self.put_if(key, b"1", None)
            self.put_if(key, b"2", first)
            for before in (None, first):
                with suppress(ConflictError):
                    self.put_if(key, b"3", before)
                    raise ObjectStoreError(
                        f"{self.url}: this store ignores the condition of a write, so that two "
                        "machines could overwrite each other's inventory. Use a store that "
                        "supports If-Match and If-None-Match"
                    )
        finally:
            self.delete([key])

    def _none_if_missing(
        self, request: Callable[[], _Result], done: str = "read"
    ) -> _Result | None:
        """Return the result of a request, or None if the object does not exist."""

        def send() -> _Result | None:
            try:
                return request()
            except FileNotFoundError as error:
                # A missing local file or a missing bucket is an error.
                if error.filename or _NO_BUCKET.search(str(error)):
                    raise
            return None

        return self._translate_errors(done, send)

    def _translate_errors(self, done: str, request: Callable[[], _Result]) -> _Result:
        """Return the result of a request. Translate obstore's errors to ours.

        This is not a context manager: obstore's error would become the context of ours, and may
        contain a signed URL.
        """
        try:
            return request()
        except (AlreadyExistsError, PreconditionError):
            failure: InventoryError = ConflictError(f"{self.url}: {_CONFLICT}")
        except (BaseError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # an error of a local file
            failure = ObjectStoreError(f"{self.url}: cannot be {done} ({_reason(error)})")
        raise failure


def _check_endpoint() -> None:
    """Reject endpoint URLs that make the library abort the process."""
    for name in _ENDPOINTS:
        parts = urlsplit(os.environ.get(name) or "https://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ObjectStoreError(f"{name} is not a URL; use https://host or http://host:port")
        if parts.scheme == "http" and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in _TRUE:
            raise ObjectStoreError(
                f"{name} is a URL without TLS: use https://, or set AWS_ALLOW_HTTP=true"
            )


def _version(meta: "ObjectMeta | PutResult") -> Version:
    return Version(meta["e_tag"], meta["version"])


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) or _NO_BUCKET.search(str(error)):
        return "there is no such bucket"
    if _ASKED_FOR_ROLE.search(str(error)):
        return _NO_CREDENTIALS
    status = _STATUS.search(str(error))
    is_rejected = status and status[1].startswith(("401", "403"))
    if is_rejected or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return _REFUSED
    if status:
        return status[1].strip()
    if isinstance(error, GenericError):
        return "no response; check its URL and credentials"
    return type(error).__name__
