"""Run one target under atheris, as ``scripts/fuzz`` does: TARGET FOLDER, and libFuzzer's own options.

FOLDER keeps what was found between the runs: ``corpus``, the dictionary, and inputs that crashed.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["provenv", "packaging", "tarfile", "tomli"]):
    from fuzz.seeds import SEEDS, dictionary
    from fuzz.targets import TARGETS


def main() -> None:
    name, place, *options = sys.argv[1:]
    folder = Path(place)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]():
        (corpus / hashlib.sha256(seed).hexdigest()[:40]).write_bytes(seed)
    (folder / "tokens").write_text(dictionary(name))
    warnings.simplefilter("ignore")  # strange escapes in markers, a million times
    logging.disable()
    own = [f"-dict={folder / 'tokens'}", f"-artifact_prefix={folder}/", "-timeout=20"]
    atheris.Setup([sys.argv[0], *own, *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
