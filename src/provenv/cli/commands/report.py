"""``provenv report ACTION``."""

DESCRIPTION = """\
Pages for those who have to know and do not work in a terminal."""
EXAMPLES = (("provenv report compliance --output report.html", "for an auditor"),)
PROJECT = True
ACTIONS = {
    "compliance": "inventory, findings against deadlines, exceptions, policy, evidence, by control",
}
"""What there is to do."""
