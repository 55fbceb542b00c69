"""``provenv policy ACTION``."""

DESCRIPTION = """\
Rules about what may be installed where: the organisation's, this machine's, and the project's, which may be
stricter and never looser. What cannot be decided is inconclusive, and never passes."""
EXAMPLES = (
    ("provenv policy check", "this project's locks, all environments"),
    ("provenv policy check -e prod", "one of them"),
    ("provenv policy explain jinja2", "what the rules say of one package"),
    ("provenv policy test cases.toml", "whether the rules say what they should"),
)
ENVIRONMENT = True
ACTIONS = {
    "check": "hold the project's locks against the rules",
    "explain": "what the rules say of one package, or what one rule says",
    "simulate": "what a changed policy would do to the projects of this machine",
    "test": "a table of cases with the verdicts that are expected",
}
