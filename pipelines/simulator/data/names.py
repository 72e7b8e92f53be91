"""Names of a simulated company: people, offices, platforms, applications and groups."""

from typing import Final, NamedTuple

_FIRST_NAMES: Final = (
    "Aisha Alejandro Alice Amara Anders Andrea Anna Arjun Ben Birgit Camille Carlos Chen Chloe "
    "Clara Daniel David Deepa Diego Dmitri Elena Elif Emma Erik Fatima Felix Fiona Gabriel Grace "
    "Hana Hannah Hugo Ibrahim Ines Ingrid Isabel Ivan Jakob James Jana Javier Jonas Julia Kai "
    "Karim Katarina Kenji Lars Laura Leila Leon Linh Lucia Lukas Maja Marco Maria Marta Matteo "
    "Maya Mehmet Mei Mia Milan Nadia Nina Noah Nora Olga Oliver Omar Paula Pedro Petra Priya "
    "Rafael Raj Rania Rosa Samir Sara Sofia Stefan Tariq Thomas Tomas Uma Valentina Victor Wei "
    "Yara Yuki Yusuf Zoe"
)
FIRST_NAMES: Final = tuple(_FIRST_NAMES.split())

_LAST_NAMES: Final = (
    "Abadi Ahmed Almeida Andersson Bauer Becker Bianchi Bondarenko Brown Castillo Chen Cohen "
    "Costa Diaz Dubois Eriksen Evans Farah Fernandez Fischer Fontaine Garcia Gomez Greco Gupta "
    "Haddad Hansen Hoffmann Horvat Ito Ivanov Jansen Jensen Johansson Jones Kaya Keller Khan Kim "
    "Klein Kovacs Kowalski Kumar Larsen Lee Lehmann Lopez Martin Mendes Meyer Moreau Moretti "
    "Mueller Murphy Nakamura Nguyen Nielsen Novak Okafor Olsen Osman Park Patel Pereira Petrov "
    "Popescu Quinn Ramos Reyes Ricci Rossi Roux Russo Sanchez Santos Sato Schmidt Schneider "
    "Sharma Silva Singh Smith Sokolov Suzuki Tanaka Tran Vogel Wagner Walker Wang Weber Wilson "
    "Wolf Yamamoto Yilmaz Zhang Zimmermann"
)
LAST_NAMES: Final = tuple(_LAST_NAMES.split())


class Office(NamedTuple):
    """An office: short code, private network (two octets) and public address of its NAT."""

    city: str
    code: str
    network: str
    public_ip: str


OFFICES: Final = (
    Office("Berlin", "BER", "10.20", "198.51.100.7"),
    Office("Lisbon", "LIS", "10.30", "198.51.100.43"),
    Office("Denver", "DEN", "10.40", "203.0.113.12"),
    Office("Bangalore", "BLR", "10.50", "203.0.113.77"),
    Office("Singapore", "SIN", "172.20", "203.0.113.140"),
    Office("Remote", "REM", "192.168", ""),
)

DEPARTMENTS: Final = {
    "Engineering": ("Software Engineer", "Senior Software Engineer", "Staff Engineer", "SRE"),
    "Product": ("Product Manager", "Product Designer", "UX Researcher"),
    "Sales": ("Account Executive", "Sales Engineer", "Sales Development Representative"),
    "Marketing": ("Content Strategist", "Growth Manager", "Brand Designer"),
    "Customer Success": ("Customer Success Manager", "Support Engineer"),
    "Finance": ("Accountant", "Financial Analyst", "Payroll Specialist"),
    "People": ("Recruiter", "People Partner"),
    "Legal": ("Counsel", "Privacy Officer"),
    "IT": ("IT Administrator", "Security Engineer", "Support Technician"),
    "Operations": ("Office Manager", "Logistics Coordinator"),
}


class Platform(NamedTuple):
    """An operating system by JumpCloud's name, and the properties of its devices."""

    os: str
    family: str
    versions: tuple[str, ...]
    arch: str
    vendor: str
    loopback: str
    interfaces: tuple[str, str]
    letter: str


WINDOWS: Final = Platform(
    "Windows",
    "windows",
    ("11 Pro", "11 Enterprise", "10 Pro"),
    "x86_64",
    "Dell Inc.",
    "Loopback Pseudo-Interface 1",
    ("Wi-Fi", "Ethernet"),
    "W",
)
MACOS: Final = Platform(
    "Mac OS X",
    "darwin",
    ("14.5", "14.7.1", "15.1", "13.6.9"),
    "arm64",
    "Apple Inc.",
    "lo0",
    ("en0", "en1"),
    "M",
)
UBUNTU: Final = Platform(
    "Ubuntu",
    "linux",
    ("22.04", "24.04", "20.04"),
    "x86_64",
    "LENOVO",
    "lo",
    ("eth0", "wlp2s0"),
    "L",
)
IOS: Final = Platform(
    "iOS", "ios", ("17.5.1", "18.0"), "arm64", "Apple Inc.", "lo0", ("en0", "pdp_ip0"), "I"
)
ANDROID: Final = Platform(
    "Android", "android", ("14", "13"), "arm64", "Google", "lo", ("wlan0", "rmnet0"), "A"
)
PLATFORMS: Final = (WINDOWS, MACOS, UBUNTU, IOS, ANDROID)
PLATFORM_WEIGHTS: Final = (40, 37, 13, 7, 3)
MOBILE: Final = frozenset({"iOS", "Android"})

# Name, and numbers of the version where the text does not have them, by the text's first word.
RELEASES: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "11": ("23H2", (10, 0, 22631)),
    "10": ("22H2", (10, 0, 19045)),
    "13.6.9": ("Ventura", ()),
    "14.5": ("Sonoma", ()),
    "14.7.1": ("Sonoma", ()),
    "15.1": ("Sequoia", ()),
    "20.04": ("focal", ()),
    "22.04": ("jammy", ()),
    "24.04": ("noble", ()),
}
ADMINISTRATOR_ROLES: Final = ("Administrator With Billing", "Administrator", "Read Only")

APPLICATIONS: Final = (
    ("slack", "Slack", "saml"),
    ("github", "GitHub Enterprise", "saml"),
    ("aws", "AWS IAM Identity Center", "saml"),
    ("salesforce", "Salesforce", "saml"),
    ("googleapps", "Google Workspace", "saml"),
    ("atlassian", "Atlassian Cloud", "saml"),
    ("zoom", "Zoom", "saml"),
    ("datadog", "Datadog", "saml"),
    ("hubspot", "HubSpot", "saml"),
    ("netsuite", "NetSuite", "saml"),
    ("workable", "Workable", "saml"),
    ("docusign", "DocuSign", "saml"),
    ("notion", "Notion", "oidc"),
    ("grafana", "Grafana", "oidc"),
    ("bookmark", "Company Handbook", "bookmark"),
)

_GROUPS: Final = (
    "Kiosks, Build Servers, Conference Rooms, Contractors' Laptops, Pilot Ring, Quarantine, "
    "Developers, Executives, Lab Machines, Loaners, Database Servers, Patch Wave"
)
GROUP_SUBJECTS: Final = tuple(_GROUPS.split(", "))

_TEAMS: Final = (
    "Platform, Payments, Mobile, Data, On-call, Security Champions, Contractors, Leadership, "
    "EMEA Sales, Release"
)
TEAM_SUBJECTS: Final = tuple(_TEAMS.split(", "))

POLICIES: Final = (
    ("Disk encryption", "filevault_darwin", "darwin"),
    ("BitLocker", "bitlocker_windows", "windows"),
    ("Screen lock after 5 minutes", "lock_screen_windows", "windows"),
    ("Disable USB storage", "disable_usb_linux", "linux"),
    ("Software updates", "system_updates_darwin", "darwin"),
    ("Firewall on", "firewall_darwin", "darwin"),
)

COMMANDS: Final = (
    ("Collect logs", "linux", "journalctl --since yesterday"),
    ("Flush DNS", "mac", "dscacheutil -flushcache"),
    ("Inventory of local admins", "windows", "net localgroup Administrators"),
    ("Restart agent", "linux", "systemctl restart jcagent"),
)
