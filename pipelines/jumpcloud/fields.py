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


SUDO = json_object(enabled=FLAG, withoutPassword=FLAG)
# A RADIUS reply may hold a password, and a custom attribute anything: neither is read.
ATTRIBUTES = json_object(
    sudo=SUDO,
    ldapGroups=pa.list_(json_object(name=TEXT)),
    posixGroups=pa.list_(json_object(id=pa.int64(), name=TEXT)),
)
SUDO_ONLY = json_object(sudo=SUDO)
GRAPH_OBJECT = json_object(id=TEXT, type=TEXT)
PATHS = pa.list_(pa.list_(json_object(attributes=SUDO_ONLY, to=GRAPH_OBJECT)))
NETWORK_INTERFACES = pa.list_(json_object(**texts("name family address"), internal=FLAG))
# Custom attributes may hold anything: parsing keeps those that the settings name.
CUSTOM_ATTRIBUTES = pa.list_(json_object(name=TEXT, value=TEXT))


def requested_fields(schema: pa.Schema) -> str:
    """Return the names of the fields that each v1 request of a list has."""
    return " ".join(field.name for field in schema if field.type != CUSTOM_ATTRIBUTES)


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
