"""What happened and why it was allowed, so that it can be proven: a log that shows every change to it."""
