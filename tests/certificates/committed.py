"""Run the checker on the certificates kept here; needs nothing but Python.

    python -I -S tests/certificates/committed.py

`accept`, `reject` and `malformed` hold one folder a question with `network`, `slice` and
`certificate`; a file that is missing is that of `accept/tiny`. Folders of `reject` and
`malformed` are named after the rule that must be named, `--` and what was done.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKER = HERE.parents[1] / "exactcam" / "checker.py"
EXPECTED = {"accept": (0, "verified"), "reject": (1, "rejected"), "malformed": (3, "malformed")}


def main() -> int:
    ran = wrong = 0
    for kind, (status, word) in EXPECTED.items():
        for folder in sorted((HERE / kind).iterdir()):
            files = [folder / name for name in ("network", "slice", "certificate")]
            files = [f if f.exists() else HERE / "accept" / "tiny" / f.name for f in files]
            command = [sys.executable, "-I", "-S", str(CHECKER), *map(str, files)]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            rule = folder.name.split("--")[0]
            start = f"{word}: " if kind == "accept" else f"{word}: {rule}\n"
            ran += 1
            if run.returncode != status or not run.stdout.startswith(start) or run.stderr:
                wrong += 1
                print(f"{kind}/{folder.name}: {run.returncode} {run.stdout}{run.stderr}")
    print(f"{ran} certificates, {wrong} wrong")
    return 1 if wrong or ran < 60 else 0


if __name__ == "__main__":
    sys.exit(main())
