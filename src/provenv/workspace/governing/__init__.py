"""What may be installed: advisories, audits."""
