"""``provenv advisories ACTION``."""

DESCRIPTION = """\
What is known of vulnerabilities, kept on this machine: audits and policies need no network. From the
OSV project; CISA's list of what is exploited and EPSS scores besides, where they are given."""
EXAMPLES = (
    ("provenv advisories update", "fetch what is new"),
    ("provenv advisories import all.zip", "on a machine without a network"),
    ("provenv advisories status", "how old they are, and their digest"),
)
ACTIONS = {
    "update": "fetch what is new",
    "import": "read files that were fetched elsewhere",
    "status": "which advisories are here, and how old",
}
