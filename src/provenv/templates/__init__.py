"""Floor 2: texts that provenv writes for others to use: new projects, pipelines, container files.

Pure text: what is to be filled in comes as arguments, and nothing is written here.
"""
