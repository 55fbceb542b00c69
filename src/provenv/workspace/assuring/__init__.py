"""What is shown and proven to others, and made better: audits of anything, proposals, reports."""
