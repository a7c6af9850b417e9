"""Loads the same export with anbun and with DuckDB + COPY, in turn, and prints ratios.

    load.py --anbun target/release/anbun EXPORT [--pairs 7]

Both write to the same private PostgreSQL, which a third process keeps running.  Times are of whole processes, memory is
the process's own peak (PostgreSQL is neither's child).
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def run(command):
    """Wall seconds, CPU seconds, peak MiB, output."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        out.seek(0)
        text = out.read().decode(errors="replace")
    if status != 0:
        sys.exit(f"{command} failed:\n{text}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("export")
    p.add_argument("--anbun", default="target/release/anbun")
    p.add_argument("--pairs", type=int, default=7)
    args = p.parse_args()
    data = tempfile.mkdtemp(prefix="anbun-bench-")
    os.chmod(data, 0o755)
    anbun = [os.path.abspath(args.anbun), "--data-dir", data]
    peer = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "duckdb_copy.py"), args.export, f"{data}/socket"]
    keeper = subprocess.Popen(anbun + ["serve", "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        directory = os.path.join(args.export, "directory")
        if os.path.isdir(directory):
            run(anbun + ["directory", "import"] + [os.path.join(directory, n) for n in sorted(os.listdir(directory))])
        load = anbun + ["ingest", "cur", args.export, "--force"]
        run(load)
        run(peer)
        ours, theirs = [], []
        for pair in range(args.pairs):
            for command, results in ((load, ours), (peer, theirs))[:: 1 if pair % 2 else -1]:
                results.append(run(command))
            print(f"pair {pair + 1}: anbun {ours[-1][0]:.2f} s wall, {ours[-1][1]:.2f} s CPU, {ours[-1][2]:.0f} MiB; "
                  f"DuckDB + COPY {theirs[-1][0]:.2f} s, {theirs[-1][1]:.2f} s CPU, {theirs[-1][2]:.0f} MiB", flush=True)
        ratio = lambda i: statistics.median(a[i] / b[i] for a, b in zip(ours, theirs))
        print(f"median of {args.pairs} pairs, anbun / (DuckDB + COPY): wall {ratio(0):.2f}, CPU {ratio(1):.2f}, peak memory {ratio(2):.2f}")
        print(f"anbun: {statistics.median(a[0] for a in ours):.2f} s, CPU {statistics.median(a[1] for a in ours):.2f} s, peak {max(a[2] for a in ours):.0f} MiB")
        print(theirs[-1][3].strip().splitlines()[-1], "Bedrock rows, lines and cost by DuckDB")
    finally:
        keeper.terminate()
        keeper.wait()
        shutil.rmtree(data, ignore_errors=True)


main()
