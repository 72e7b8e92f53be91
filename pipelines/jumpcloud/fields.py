"""Types of the fields that are read from records."""

import pyarrow as pa

TEXT = pa.string()
FLAG = pa.bool_()


def json_object(**fields: pa.DataType) -> pa.DataType:
    """Return the type of a JSON object. Other fields of the object are dropped."""
    return pa.struct(list(fields.items()))


def texts(names: str) -> dict[str, pa.DataType]:
    """Return text fields with these names."""
    return dict.fromkeys(names.split(), TEXT)


def flags(names: str) -> dict[str, pa.DataType]:
    """Return boolean fields with these names."""
    return dict.fromkeys(names.split(), FLAG)


def numbers(names: str) -> dict[str, pa.DataType]:
    """Return whole number fields with these names."""
    return dict.fromkeys(names.split(), pa.int64())


# Texts that are times: a number in their place is of an unknown unit.
TIMES = frozenset(
    {
        "created",
        "lastContact",
        "mfa.exclusionUntil",
        "password_date",
        "password_expiration_date",
        "sso.idpCertExpirationAt",
    }
)
# Rules of dynamic groups have no fixed shape: their columns hold canonical JSON.
JSON_TEXTS = frozenset({"memberQuery", "memberQueryExemptions", "memberQueryErrorFlags"})
