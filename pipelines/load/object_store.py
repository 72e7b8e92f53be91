"""Objects below an address in S3, Google Cloud Storage or Azure, and writes that only one wins.

obstore, because its one package writes on a condition in all three: no rename and no lock is
needed. Credentials are those of the environment, under the names that each cloud's own tools use.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

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
from pipelines.load.files import flush

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import RetryConfig

_STATUS = re.compile(r"status code: (\d{3}[ \w]*)")
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
# A store that is away for longer fails the run, which is then tried again.
_RETRIES: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}


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
        with self._in_words("opened"):
            self._store = from_url(url, retry_config=_RETRIES)

    def get(self, key: str) -> tuple[bytes, Version] | None:
        """An object's content, and which it is; None where there is none."""
        with self._in_words("read"):
            try:
                answer = obstore.get(self._store, key)
                content = bytes(answer.bytes())
            except FileNotFoundError as error:
                _raise_without_bucket(error)
                return None
        return content, _version(answer.meta["e_tag"], answer.meta["version"])

    def version(self, key: str) -> Version | None:
        """Which content an object has; None where there is none."""
        with self._in_words("read"):
            try:
                meta = obstore.head(self._store, key)
            except FileNotFoundError as error:
                _raise_without_bucket(error)
                return None
        return _version(meta["e_tag"], meta["version"])

    def download(self, key: str, path: Path) -> Version | None:
        """Write an object's content to a file, piece by piece; None where there is none."""
        with self._in_words("read"), path.open("wb") as file:
            try:
                answer = obstore.get(self._store, key)
            except FileNotFoundError as error:
                _raise_without_bucket(error)
                return None
            for piece in answer.stream():
                file.write(piece)
        flush(path)
        return _version(answer.meta["e_tag"], answer.meta["version"])

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, over what was there."""
        with self._in_words("written"):
            obstore.put(self._store, key, content)

    def put_if(self, key: str, content: bytes | Path, before: Version | None) -> Version:
        """Write an object only if it is still what it was; which it is now.

        Args:
            key: the object.
            content: held in memory whole, since it goes out as one request: 5 GB at most in S3.
            before: what it was; None where there was none.

        Raises:
            ConflictError: it is another one by now.
        """
        with self._in_words("written"):
            try:
                written = (
                    obstore.put(self._store, key, content, mode="create", use_multipart=False)
                    if before is None
                    else obstore.put(
                        self._store,
                        key,
                        content,
                        mode=before.condition,
                        use_multipart=False,
                    )
                )
            except (AlreadyExistsError, PreconditionError):
                return self._version_if_ours(key, content)
        return _version(written["e_tag"], written["version"])

    def _version_if_ours(self, key: str, content: bytes | Path) -> Version:
        """Which it is, where our own write came through and only its answer was lost."""
        now = self.get(key)
        ours = content.read_bytes() if isinstance(content, Path) else content
        if now is None or now[0] != ours:
            raise ConflictError(f"{self.url}/{key}: another machine wrote it meanwhile; run again")
        return now[1]

    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder: of objects, and of folders."""
        with self._in_words("listed"):
            found = obstore.list_with_delimiter(self._store, folder)
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def objects(self, folder: str) -> Iterator[tuple[str, datetime]]:
        """The keys of all objects below a folder, and when each was written."""
        with self._in_words("listed"):
            for some in obstore.list(self._store, folder):
                yield from ((each["path"], each["last_modified"]) for each in some)

    def delete(self, keys: list[str]) -> None:
        """Remove objects; one that is gone already is no error."""
        if keys:
            with self._in_words("written"):
                obstore.delete(self._store, keys)

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

    @contextmanager
    def _in_words(self, done: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            if isinstance(error, OSError) and error.filename:
                raise  # a file of this machine
            failure = ObjectStoreError(f"{self.url}: cannot be {done} ({_reason(error)})")
        else:
            return
        # Raised out here: the library's error may hold an address with a signature.
        raise failure


def _version(e_tag: str | None, number: str | None) -> Version:
    return Version(e_tag, number)


def _raise_without_bucket(error: FileNotFoundError) -> None:
    if _NO_BUCKET.search(str(error)):
        raise error


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such bucket"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "the credentials of the environment are refused"
    status = _STATUS.search(str(error))
    if status:
        return status[1].strip()
    if isinstance(error, GenericError):
        return "it does not answer; is its address right, and are there credentials?"
    return type(error).__name__
