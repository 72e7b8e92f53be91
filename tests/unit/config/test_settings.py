"""Reading the settings file, and its errors."""

from pathlib import Path

import pytest

from pipelines.config.credentials import ApiKey, load_credentials
from pipelines.config.environment import data_directory
from pipelines.config.integration import Integration
from pipelines.config.settings import KeepSnapshots, load_settings
from pipelines.config.thresholds import Thresholds
from pipelines.errors import SettingsError


def write(folder: Path, text: str) -> Path:
    path = folder / "integrations.toml"
    path.write_text(text)
    return path


def test_every_field_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
[[integration]]
name = "acme"
description = "Acme production"
type = "jumpcloud"
scope = "on_premise"
proxy = "http://proxy.example:3128"
enabled = false
region = "eu"
api_key_env = "ACME_KEY"
org_id = "64b0c0de0000000000000001"
association_targets = ["user", "user", "policy"]
details = false
max_in_flight = 3
""",
    )
    acme = load_settings(path).named("acme")
    assert acme.url == "https://console.eu.jumpcloud.com"
    assert acme.association_targets == ("user", "policy")
    assert (acme.enabled, acme.details, acme.max_in_flight) == (False, False, 3)
    assert load_credentials(acme, {"ACME_KEY": " jca_key\n"}) == ApiKey("jca_key")


def test_path_is_read_from_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, '[[integration]]\nname = "acme"\n')
    environment = {"JUMPCLOUD_INVENTORY_CONFIG": str(path)}
    assert [entry.name for entry in load_settings(None, environment).integration] == ["acme"]


def test_environment_without_file_is_one_integration() -> None:
    settings = load_settings(None, {"JUMPCLOUD_REGION": "in", "JUMPCLOUD_API_KEY": "k"})
    (only,) = settings.integration
    assert (only.name, only.url) == ("jumpcloud", "https://console.in.jumpcloud.com")
    assert load_credentials(only, {"JUMPCLOUD_API_KEY": "k"}) == ApiKey("k")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('name = "Acme"', "integration 'Acme', field 'name'"),
        ('name = "acme"\nregion = "mars"', "integration 'acme', field 'region'"),
        (
            'name = "acme"\napi_key = "jca_secret"',
            "put the value in an environment variable, and its name in api_key_env",
        ),
        (
            'name = "acme"\nregoin = "eu"',
            "field 'regoin': is not a setting; did you mean 'region'?",
        ),
        ('name = "acme"\nzzz = "eu"', "field 'zzz': is not a setting; remove it"),
        ('name = "acme"\n[integration.schedule]\ntime_zone = "UTC"', "did you mean 'timezone'?"),
        ('name = "acme"\n[keep_snapshots]\nall_for_day = 1', "did you mean 'all_for_days'?"),
        ('name = "acme"\n[findings]\nstale_dayz = 1', "did you mean 'stale_days'?"),
        ('name = "acme"\n[export_ocfs]\nto = "/lake"', "did you mean 'export_ocsf'?"),
        ('name = "acme"\n[export_ocsf]\nto = "/lake"', "'export_ocsf.region': is missing"),
        (
            'name = "acme"\n[export_ocsf]\nto = "/lake"\nregion = "eu"\nocsf_verson = "1.8"',
            "did you mean 'ocsf_version'?",
        ),
        (
            'name = "acme"\n[export_ocsf]\nto = "/lake"\nregion = "eu/x"',
            "field 'export_ocsf.region': must be 1 to 64 letters, digits, - or _",
        ),
        (
            'name = "acme"\n[export_ocsf]\nto = "/lake"\nregion = "eu"\nocsf_version = "2.0"',
            "field 'export_ocsf.ocsf_version': Input should be '1.3', '1.4'",
        ),
        ('name = "acme"\n[export_servicenow]\nto = "lake"', "must be the absolute path of a dir"),
        (
            'name = "acme"\n[export_jira_assets]\nto = "s3://user:secret@bucket"',
            "field 'export_jira_assets.to': must be the absolute path of a directory, or an s3://",
        ),
        ('name = "acme"\nenabled = "yes"', "field 'enabled'"),
        ('name = "acme"\nassociation_targets = ["application"]', "field 'association_targets.0'"),
        ('name = "acme"\nbase_url = "http://example.com"', "field 'base_url': must be https"),
        ('name = "acme"\nbase_url = "https://a:b@example.com"', "neither user, password"),
        ('name = "acme"\nbase_url = "https://example.com/api"', "must end after the host"),
        (
            'name = "acme"\nscope = "on_premise"',
            'scope "on_premise" and proxy (or ca_bundle) go together',
        ),
        ('name = "acme"\nproxy = "http://proxy:1"', "go together"),
        ('name = "acme"\nca_bundle = "/etc/ssl/acme.pem"', "(or ca_bundle) go together"),
        (
            'name = "acme"\nscope = "on_premise"\nca_bundle = "acme.pem"',
            "field 'ca_bundle': must be an absolute path",
        ),
        ('name = "acme"\napi_key_file = "jca_secret"', "'api_key_file': must be an absolute path"),
        ('name = "acme"\napi_key_env = "A"\napi_key_file = "/k"', "'acme': more than one key"),
        (
            'name = "acme"\napi_key_file = "/k"\nclient_id_env = "A"\nclient_secret_env = "B"',
            "more than one key; give api_key_env, or api_key_file, or api_key_credential, or",
        ),
        ('name = "acme"\nclient_id_env = "A"', "client_id_env and client_secret_env go together"),
        ('name = "acme"\nclient_secret_env = "A"', "go together: give both"),
        (
            'name = "acme"\nclient_id_env = "A"\nclient_secret_env = "jca_secret==/"',
            "field 'client_secret_env': must be the name of an environment variable",
        ),
        ('name = "acme"\norg_id = "123"', "field 'org_id'"),
        ('description = "no name"', "integration number 1, field 'name': is missing"),
    ],
)
def test_error_names_file_integration_and_field(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, f"[[integration]]\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "jca_secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "host", "token_host"),
    [
        ("us", "console.jumpcloud.com", "admin-oauth.id.jumpcloud.com"),
        ("eu", "console.eu.jumpcloud.com", "admin-oauth.id.eu.jumpcloud.com"),
        ("in", "console.in.jumpcloud.com", "admin-oauth.id.in.jumpcloud.com"),
    ],
)
def test_each_region_has_its_hosts(region: str, host: str, token_host: str) -> None:
    acme = Integration.model_validate({"name": "acme", "region": region})
    assert acme.url == f"https://{host}"
    assert acme.token_url == f"https://{token_host}/oauth2/token"


def test_base_url_serves_tokens() -> None:
    acme = Integration(name="acme", base_url="https://gateway.example/")
    assert acme.token_url == "https://gateway.example/oauth2/token"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keep_snapshots = 90", "field 'keep_snapshots': is a table; write [keep_snapshots]"),
        ("[keep_snapshots]\nall_for_days = 0", "field 'keep_snapshots.all_for_days': Input should"),
        ('[keep_snapshots]\nthen = "daily"', "field 'keep_snapshots.then': Input should be"),
        ("[keep_snapshots]\nkeep = 1", "field 'keep_snapshots.keep': is not a setting"),
        ("findings = 30", "field 'findings': is a table; write [findings]"),
        ("[findings]\nstale_days = 0", "field 'findings.stale_days': Input should be greater"),
        ("[findings]\nfew_devices = 1", "field 'findings.few_devices': Input should be greater"),
        ('[findings]\nmany_devices = "9"', "field 'findings.many_devices': Input should be a"),
        ("[findings]\nstale = 9", "field 'findings.stale': is not a setting"),
    ],
)
def test_error_in_table_names_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, f'{text}\n[[integration]]\nname = "acme"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: settings, {message}")


def test_retention_is_set_for_all_integrations(tmp_path: Path) -> None:
    entry = '[[integration]]\nname = "acme"\n'
    assert load_settings(write(tmp_path, entry)).keep_snapshots == KeepSnapshots(
        all_for_days=90, then="monthly"
    )
    path = write(tmp_path, f'{entry}[keep_snapshots]\nall_for_days = 7\nthen = "none"\n')
    assert load_settings(path).keep_snapshots == KeepSnapshots(all_for_days=7, then="none")


def test_thresholds_of_findings_are_set_for_all_integrations(tmp_path: Path) -> None:
    entry = '[[integration]]\nname = "acme"\n'
    path = write(tmp_path, f"{entry}[findings]\nstale_days = 7\nmany_devices = 3\n")
    assert load_settings(path).findings == Thresholds(stale_days=7, many_devices=3, few_devices=5)
    assert load_settings(write(tmp_path, entry)).findings == Thresholds()


@pytest.mark.parametrize("text", ["", "integration = 1", "[[integration]", 'integration = ["x"]'])
def test_file_without_integrations_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"integrations\.toml"):
        load_settings(write(tmp_path, text))


def test_names_are_unique(tmp_path: Path) -> None:
    entry = '[[integration]]\nname = "acme"\n'
    with pytest.raises(SettingsError, match="'acme' is used twice"):
        load_settings(write(tmp_path, entry + entry))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_settings(tmp_path / "nowhere.toml")


def test_unknown_name_lists_known_ones(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, '[[integration]]\nname = "acme"\n'))
    with pytest.raises(SettingsError, match="no integration is named 'acne'; there are: acme"):
        settings.named("acne")


@pytest.mark.parametrize("value", ["", " \n", "two words", "schlüssel", "a\x00b"])
def test_invalid_key_is_refused_and_not_printed(value: str) -> None:
    (only,) = load_settings(None, {}).integration
    with pytest.raises(SettingsError, match="JUMPCLOUD_API_KEY") as caught:
        load_credentials(only, {"JUMPCLOUD_API_KEY": value})
    assert not value.strip() or value not in str(caught.value)


def test_data_directory_is_absolute_and_configurable() -> None:
    assert data_directory({}) == Path.cwd() / "data"
    assert data_directory({"JUMPCLOUD_INVENTORY_HOME": "/srv/inventory"}) == Path("/srv/inventory")


def test_volatile_columns_are_columns_of_the_contract(tmp_path: Path) -> None:
    entry = '[[integration]]\nname = "acme"\n'
    path = write(tmp_path, 'volatile_columns = ["systems.public_ip", "users.state"]\n' + entry)
    assert load_settings(path).volatile_columns == ("systems.public_ip", "users.state")
    assert load_settings(None, {}).volatile_columns == ("systems.last_contact_at",)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("systems.last_contact", "systems.last_contact_at"),
        ("system.public_ip", "systems.public_ip"),
        ("users.user_id", "users.manager_id"),
    ],
)
def test_unknown_volatile_column_is_named_with_nearest(
    tmp_path: Path, name: str, nearest: str
) -> None:
    path = write(tmp_path, f'volatile_columns = ["{name}"]\n[[integration]]\nname = "acme"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert f"{path}: settings, field 'volatile_columns': {name!r} is not a column" in str(
        caught.value
    )
    assert f"the nearest is {nearest!r}" in str(caught.value)
