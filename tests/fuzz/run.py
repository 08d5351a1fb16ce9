#!/usr/bin/env python3
"""Runs the fuzz targets one after the other: `python3 tests/fuzz/run.py SECONDS [TARGET …]`.

Each begins with the inputs of `inputs/TARGET.txt`, and with the cases of `tests/corpus` where it takes whole requests.
At the end the few that reach the most code are written there anew, and what broke a promise is added in any case:
`cargo test --test it fuzzed` runs them all. One line for each target says how many inputs were tried, and how many
edges of the code they reached.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/corpus"))

import reader  # noqa: E402

WORK = ROOT / "target" / "fuzz"
TRIPLE = "x86_64-unknown-linux-gnu"
# What cargo-fuzz passes, without the sanitizers: those need a nightly compiler, and there is no unsafe code here.
FLAGS = ("--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 "
         "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table "
         "-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks")
# The longest input, and how many are kept.
LONGEST, KEPT = 1024, 150
OF_THE_CORPUS = ("receive", "annotations", "requests")


def escaped(data):
    simple = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\"}
    return "".join(simple.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)


def seeds(target):
    found = [reader.unescaped(line) for line in (HERE / "inputs" / f"{target}.txt").read_text().splitlines()]
    if target in OF_THE_CORPUS:
        found += [case.data for case in reader.cases()]
    return [data for data in found if len(data) <= LONGEST]


def run(target, seconds):
    corpus, small, broken = (WORK / kind / target for kind in ("corpus", "small", "broken"))
    for folder in (corpus, small, broken):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for number, data in enumerate(seeds(target)):
        (corpus / f"seed{number}").write_bytes(data)
    program = [str(WORK / TRIPLE / "release" / target), f"-max_len={LONGEST}", "-timeout=30", "-rss_limit_mb=1024"]
    ran = subprocess.run([*program, f"-max_total_time={seconds}", "-print_final_stats=1", f"-artifact_prefix={broken}/",
                          str(corpus)], capture_output=True, errors="replace")
    said = ran.stderr + ran.stdout
    (WORK / f"{target}.log").write_text(said)
    inputs = re.findall(r"stat::number_of_executed_units: (\d+)", said)
    edges = re.findall(r"cov: (\d+)", said)
    print(f"{target}: {inputs[-1] if inputs else '?'} inputs, {edges[-1] if edges else '?'} edges, exit code "
          f"{ran.returncode}", flush=True)
    findings = [file.read_bytes() for file in sorted(broken.iterdir())]
    if ran.returncode == 0:
        subprocess.run([*program, "-set_cover_merge=1", str(small), str(corpus)], capture_output=True, check=True)
        kept = sorted((file.read_bytes() for file in small.iterdir()), key=lambda data: (len(data), data))
        step = max(1, -(-len(kept) // KEPT))
        lines = [escaped(data) for data in findings + kept[::step]]
    else:
        lines = [escaped(data) for data in findings + seeds(target)][:KEPT]
    (HERE / "inputs" / f"{target}.txt").write_text("".join(f"{line}\n" for line in dict.fromkeys(lines)))
    return ran.returncode == 0


def main():
    seconds, targets = int(sys.argv[1]), sys.argv[2:]
    flags = {"RUSTFLAGS": FLAGS, "CARGO_TARGET_DIR": str(WORK)}
    subprocess.run(["cargo", "build", "--release", "--target", TRIPLE], cwd=HERE, env={**os.environ, **flags}, check=True)
    targets = targets or sorted(file.stem for file in (HERE / "targets").glob("*.rs"))
    results = [run(target, seconds) for target in targets]
    sys.exit(0 if all(results) else 1)


main()
