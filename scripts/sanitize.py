"""Watch the native engine for wrong memory, undefined behaviour and races.

Builds ``scripts/sanitize_driver.cpp``, which trains and runs networks of many shapes
with 1, 2 and 4 threads, for each instruction set of this processor: with
AddressSanitizer and UndefinedBehaviorSanitizer, with ThreadSanitizer, and, for the
baseline, plain under valgrind, which does not know AVX-512. Ends with 1 at the first
finding. Needs g++ or clang++ (``CXX`` names another), and valgrind where it is there.

    python scripts/sanitize.py            # all, about two minutes on two cores
    python scripts/sanitize.py thread     # one of address, thread, valgrind
    python scripts/sanitize.py --out benchmarks/results/sanitize.json
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from closecast.engine.native import supported

ROOT = Path(__file__).parent.parent
NATIVE = ROOT / "src/closecast/engine/native"
BUILD = ROOT / "build/sanitize"
AVX512 = ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma")
FLAGS = {
    "baseline": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": AVX512,
    "avx512bf16": (*AVX512, "-mavx512bf16"),
}
"""As in CMakeLists.txt."""

SANITIZERS = {
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "thread": ("-fsanitize=thread",),
    "valgrind": (),
}
VALGRIND = ("valgrind", "--quiet", "--error-exitcode=1", "--leak-check=full")


def build(kind: str, instruction_set: str) -> Path:
    """Compile the driver."""
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / f"{kind}-{instruction_set}"
    command = [
        os.environ.get("CXX", "g++"),
        "-std=c++17",
        "-O1",
        "-g",
        "-w",
        "-pthread",
    ]
    command += [f"-I{NATIVE}", f"-DCLOSECAST_ISA={instruction_set}"]
    command += [*SANITIZERS[kind], *FLAGS[instruction_set]]
    command += [str(ROOT / "scripts/sanitize_driver.cpp"), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def watch(kind: str, instruction_set: str) -> bool:
    """Build and run the driver; tell whether nothing was found."""
    command = [str(build(kind, instruction_set))]
    if kind == "valgrind":
        command = [*VALGRIND, *command, "small"]
    print(f"{kind}, {instruction_set}: ", end="", flush=True)
    return subprocess.run(command, check=False).returncode == 0


def main() -> None:
    """Watch everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *SANITIZERS])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from machine import publish

    asked = arguments.kinds or [
        kind for kind in SANITIZERS if kind != "valgrind" or shutil.which("valgrind")
    ]
    watched = {}
    for kind in asked:
        for name in ["baseline"] if kind == "valgrind" else supported():
            if not watch(kind, name):
                sys.exit(1)
            watched[f"{kind}, {name}"] = "clean"
    publish({"watched": watched}, arguments.out)


if __name__ == "__main__":
    main()
