"""Objects below an address in S3, Google Cloud Storage or Azure, and writes that only one wins.

obstore, because its one package writes on a condition in all three: no rename and no lock is
needed. Credentials are those of the environment, under the names that each cloud's own tools use.
"""

import os
import re
import uuid
from collections.abc import Callable
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
# A store that is away for longer fails the run, which is then tried again.
_RETRIES: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
_REFUSED = "the credentials of the environment are refused"
_NO_CREDENTIALS = (
    "there are no credentials: docs/how-to/object-storage.md names the variables for them"
)
# Without credentials the library asks the machine for those of its role.
_ASKED_FOR_ROLE = re.compile(r"/latest/(api/token|meta-data)|Missing(SecretAccessKey|AccessKeyId)")
_YES = frozenset({"1", "true", "on", "yes", "y"})
_CONFLICT = "another machine wrote it meanwhile; run again"
_Answer = TypeVar("_Answer")


class ObjectStoreError(InventoryError):
    """The object store cannot be reached, or refuses; the message says which."""


class ConflictError(InventoryError):
    """Another machine wrote the object meanwhile."""


@dataclass(frozen=True)
class Version:
    """Which content an object has: its ETag, and where the store numbers them, its number."""

    e_tag: str | None
    number: str | None

    @property
    def condition(self) -> "UpdateVersion":
        """That it is this one, as obstore takes it: what is unknown is left out."""
        condition: UpdateVersion = {}
        if self.e_tag is not None:
            condition["e_tag"] = self.e_tag
        if self.number is not None:
            condition["version"] = self.number
        return condition


class ObjectStore:
    """Reads and writes objects by their keys below an address.

    Every method raises ObjectStoreError where the store cannot be reached or refuses.

    Args:
        url: for example `s3://bucket/prefix`; holds no credentials.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        if url.startswith("s3://"):
            _check_endpoint()
        self._store = self._translate_errors("opened", lambda: from_url(url, retry_config=_RETRIES))

    def get(self, key: str) -> tuple[bytes, Version] | None:
        """An object's content, and which it is; None where there is none."""

        def read() -> tuple[bytes, Version]:
            answer = obstore.get(self._store, key)
            return bytes(answer.bytes()), _version(answer.meta)

        return self._found(read)

    def version(self, key: str) -> Version | None:
        """Which content an object has; None where there is none."""
        return self._found(lambda: _version(obstore.head(self._store, key)))

    def download(self, key: str, path: Path) -> Version | None:
        """Write an object's content to a file, piece by piece; None where there is none."""

        def read() -> Version:
            answer = obstore.get(self._store, key)
            with path.open("wb") as file:
                for piece in answer.stream():
                    file.write(piece)
            flush(path)
            return _version(answer.meta)

        return self._found(read)

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, over what was there."""
        self._translate_errors("written", lambda: obstore.put(self._store, key, content))

    def put_if(self, key: str, content: bytes | Path, before: Version | None) -> Version:
        """Write an object only if it is still what it was; which it is now.

        Args:
            key: the object.
            content: held in memory whole, since it goes out as one request: 5 GB at most in S3.
            before: what it was; None where there was none.

        Raises:
            ConflictError: it is another one by now.
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
            return self._version_if_ours(key, content)

    def _version_if_ours(self, key: str, content: bytes | Path) -> Version:
        """Which it is, where our own write came through and only its answer was lost."""
        now = self.get(key)
        ours = content.read_bytes() if isinstance(content, Path) else content
        if now is None or now[0] != ours:
            raise ConflictError(f"{self.url}/{key}: {_CONFLICT}")
        return now[1]

    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder: of objects, and of folders."""
        found = self._translate_errors(
            "listed", lambda: obstore.list_with_delimiter(self._store, folder)
        )
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def objects(self, folder: str) -> list[tuple[str, datetime]]:
        """The keys of all objects below a folder, and when each was written."""
        found = self._translate_errors("listed", lambda: list(obstore.list(self._store, folder)))
        return [(each["path"], each["last_modified"]) for some in found for each in some]

    def delete(self, keys: list[str]) -> None:
        """Remove objects; one that is gone already is no error."""

        def removed(which: str | list[str]) -> bool:
            obstore.delete(self._store, which)
            return True

        if not self._found(lambda: removed(keys), "written"):
            # To S3 alone it is none; elsewhere the first that is gone ends the request.
            for key in keys:
                self._found(partial(removed, key), "written")

    def check_conditions(self, folder: str) -> None:
        """Try whether the store keeps what `put_if` promises: not every imitation of S3 does.

        Raises:
            ObjectStoreError: it does not.
        """
        key = f"{folder}/.probe-{uuid.uuid4()}"
        try:
            first = self.put_if(key, b"1", None)
            self.put_if(key, b"2", first)
            refused = [self._is_refused(key, before) for before in (None, first)]
        finally:
            self.delete([key])
        if not all(refused):
            raise ObjectStoreError(
                f"{self.url}: this store takes a write whose condition does not hold, so that two "
                "machines could publish over each other; use one that keeps If-Match and "
                "If-None-Match"
            )

    def _is_refused(self, key: str, before: Version | None) -> bool:
        try:
            self.put_if(key, b"3", before)
        except ConflictError:
            return True
        return False

    def _found(self, read: Callable[[], _Answer], done: str = "read") -> _Answer | None:
        """What is read; None where there is no such object."""

        def look() -> _Answer | None:
            try:
                return read()
            except FileNotFoundError as error:
                # Nothing is there, unless it is the whole bucket that is not.
                if error.filename or _NO_BUCKET.search(str(error)):
                    raise
            return None

        return self._translate_errors(done, look)

    def _translate_errors(self, done: str, work: Callable[[], _Answer]) -> _Answer:
        """What obstore answers; its errors in words.

        Not a context manager: the library's error would travel along as the context, and may hold
        an address with a signature.
        """
        try:
            return work()
        except (AlreadyExistsError, PreconditionError):
            failure: InventoryError = ConflictError(f"{self.url}: {_CONFLICT}")
        except (BaseError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # a file of this machine
            failure = ObjectStoreError(f"{self.url}: cannot be {done} ({_reason(error)})")
        raise failure


def _check_endpoint() -> None:
    """Refuse what the library ends the whole program at."""
    for name in _ENDPOINTS:
        parts = urlsplit(os.environ.get(name) or "https://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ObjectStoreError(f"{name} is no address; it is https://host, or http://host:port")
        if parts.scheme == "http" and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in _YES:
            raise ObjectStoreError(
                f"{name} is an address without TLS: use https://, or set AWS_ALLOW_HTTP=true"
            )


def _version(of: "ObjectMeta | PutResult") -> Version:
    return Version(of["e_tag"], of["version"])


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) or _NO_BUCKET.search(str(error)):
        return "there is no such bucket"
    if _ASKED_FOR_ROLE.search(str(error)):
        return _NO_CREDENTIALS
    status = _STATUS.search(str(error))
    is_refusal = status and status[1].startswith(("401", "403"))
    if is_refusal or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return _REFUSED
    if status:
        return status[1].strip()
    if isinstance(error, GenericError):
        return "it does not answer; is its address right, and are there credentials?"
    return type(error).__name__
