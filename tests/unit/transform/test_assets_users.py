"""Users, made from their raw records."""

from datetime import UTC, datetime

from tests.support.arrow import Row, expected_user, run_transform

ALL_PULLED: list[Row] = [{"endpoint": "applications"}, {"endpoint": "applications_users"}]


def test_user_has_every_field_of_its_record() -> None:
    user: Row = {
        "_id": "u1",
        "username": "ann",
        "email": "ann@example.com",
        "displayname": "Ann B",
        "firstname": "Ann",
        "lastname": "B",
        "state": "ACTIVATED",
        "activated": True,
        "suspended": False,
        "account_locked": True,
        "mfa": {"configured": True, "exclusion": True, "exclusionUntil": "2026-12-01T00:00:00Z"},
        "totp_enabled": False,
        "sudo": True,
        "passwordless_sudo": False,
        "department": "IT",
        "jobTitle": "Engineer",
        "company": "Acme",
        "location": "Bern",
        "employeeIdentifier": "42",
        "employeeType": "permanent",
        "manager": "u2",
        "password_expired": False,
        "password_never_expires": True,
        "created": "2024-05-01",
        "mfaEnrollment": {
            "overallStatus": "ENROLLED",
            "totpStatus": "NOT_ENROLLED",
            "webAuthnStatus": "ENROLLED",
            "pushStatus": "IN_ENROLLMENT",
            "smsStatus": "DISABLED",
            "jcGoStatus": "",
        },
        "systemUsername": "annb",
        "unix_uid": 4294967295,
        "password_date": "2026-09-01T08:00:00.000Z",
        "password_expiration_date": "2026-11-30T08:00:00.000Z",
        "admin": {"roleName": "Help Desk"},
        "creationSource": "jumpcloud:gapps",
        "external_source_type": "google",
        "costCenter": "CC-7",
        "alternateEmail": "ann@example.net",
    }
    assert run_transform("users", systemusers=[user], completeness=ALL_PULLED) == [
        expected_user(
            user_id="u1",
            username="ann",
            email="ann@example.com",
            display_name="Ann B",
            first_name="Ann",
            last_name="B",
            state="ACTIVATED",
            activated=True,
            suspended=False,
            account_locked=True,
            mfa_configured=True,
            totp_enabled=False,
            global_admin=True,
            passwordless_sudo=False,
            department="IT",
            job_title="Engineer",
            company="Acme",
            location="Bern",
            employee_id="42",
            employee_type="permanent",
            manager_id="u2",
            password_expired=False,
            password_never_expires=True,
            created_at=datetime(2024, 5, 1, tzinfo=UTC),
            mfa_status="ENROLLED",
            mfa_totp_status="NOT_ENROLLED",
            mfa_webauthn_status="ENROLLED",
            mfa_push_status="IN_ENROLLMENT",
            mfa_sms_status="DISABLED",
            mfa_exclusion=True,
            mfa_exclusion_until=datetime(2026, 12, 1, tzinfo=UTC),
            system_username="annb",
            unix_uid=4294967295,
            password_date=datetime(2026, 9, 1, 8, tzinfo=UTC),
            password_expiration_date=datetime(2026, 11, 30, 8, tzinfo=UTC),
            admin_role="Help Desk",
            creation_source="jumpcloud:gapps",
            external_source_type="google",
            cost_center="CC-7",
            alternate_email="ann@example.net",
        )
    ]


def test_user_with_empty_text_and_year_one_has_nulls() -> None:
    names = ("username", "email", "displayname", "firstname", "lastname", "state", "department")
    more = ("jobTitle", "company", "location", "employeeIdentifier", "employeeType", "manager")
    empty: Row = dict.fromkeys((*names, *more), "")
    user = empty | {
        "_id": "u1",
        "created": "0001-01-01T00:00:00Z",
    }
    assert run_transform("users", systemusers=[user], completeness=ALL_PULLED) == [
        expected_user(user_id="u1")
    ]
