"""``provenv evidence ACTION``."""

DESCRIPTION = """\
What happened to this project, and why it was allowed: every lock, sync, rollback, verdict and waiver, in
a log that shows every change to it. Checkpoints of it are signed and kept elsewhere."""
EXAMPLES = (
    ("provenv evidence show", "the newest records"),
    ("provenv evidence verify --key audit.pub", "whether the log is the one that was written"),
    ("provenv evidence checkpoint", "sign how long it is and how it ends"),
    ("provenv evidence export --output verdicts.intoto.jsonl", "verdicts for other tools"),
)
PROJECT = True
ACTIONS = {
    "show": "the records, the newest first",
    "verify": "whether the log is the one that was written",
    "checkpoint": "sign how long the log is and how it ends, and keep that elsewhere",
    "export": "verdicts as in-toto statements in signed envelopes",
    "seal": "put older records away, compressed; nothing is deleted",
    "key": "keys that sign: make one, or list them",
}
"""What there is to do."""
