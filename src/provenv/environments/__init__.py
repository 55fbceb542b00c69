"""Floor 4: plan + interpreter → generation; switch, history, drift."""
