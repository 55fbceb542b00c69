"""Floor 2: every piece of shell code, as files that shells and editors know, and the quoting for them.

Pure text: what is to be shown or named is handed in, and what a shell should read comes back.
"""
