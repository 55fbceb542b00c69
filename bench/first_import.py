"""What a person does first in a new environment of this project: import what it was made for."""

from importlib import import_module

for name in ("pandas", "sklearn.ensemble", "matplotlib.pyplot", "django", "fastapi", "boto3"):
    print(name, import_module(name).__name__)
