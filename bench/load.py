"""Loads the same export with anbun and with DuckDB + COPY, in turn, and prints ratios.

    load.py --anbun target/release/anbun EXPORT [--pairs 7]
    load.py --anbun target/release/anbun EXPORT --bucket [--pairs 7]

With --bucket the peer is anbun itself on the folder, and the contender reads the same files from a local store by S3's
protocol (store.py, whose own time is not counted); the bytes it fetched are compared with the column chunks that it needs.

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
import urllib.request


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


NEEDED = """bill_bill_type bill_billing_entity bill_invoice_id bill_invoicing_entity bill_payer_account_id line_item_currency_code
line_item_iam_principal line_item_line_item_type line_item_net_unblended_cost line_item_operation line_item_product_code
line_item_resource_id line_item_tax_type line_item_unblended_cost line_item_usage_account_id line_item_usage_amount
line_item_usage_start_date line_item_usage_type pricing_public_on_demand_cost pricing_unit product product_product_family
product_region_code tags""".split()


def needed_bytes(export):
    """Column chunks that anbun reads, and footers."""
    import duckdb

    pattern = f"{export}/data/*/**/*.parquet"
    chunks = duckdb.execute(
        "select sum(total_compressed_size) from parquet_metadata(?) where list_contains(?, split_part(path_in_schema, ',', 1))",
        [pattern, NEEDED],
    ).fetchone()[0]
    footers = 0
    for folder, _, names in os.walk(os.path.join(export, "data")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                f.seek(-8, os.SEEK_END)
                footers += int.from_bytes(f.read(4), "little") + 8
    return chunks + footers


def compare_bucket(args, anbun, data):
    """The same export from a bucket and from its folder."""
    store = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "store.py"), args.export], stdout=subprocess.PIPE, text=True)
    try:
        endpoint = store.stdout.readline().strip()
        ask = lambda path: urllib.request.urlopen(endpoint + path).read().decode()
        settings = os.path.join(data, "bucket.toml")
        with open(settings, "w") as f:
            f.write(f'[[exports]]\nname = "same"\nlocation = "s3://bills/"\nendpoint = "{endpoint}"\ncopied = true\n')
        folder_settings = os.path.join(data, "folder.toml")
        with open(folder_settings, "w") as f:
            f.write(f'[[exports]]\nname = "same"\nlocation = "{os.path.abspath(args.export)}"\n')
        os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_EC2_METADATA_DISABLED="true")
        load = lambda file: anbun + ["--config", file, "ingest", "cur", "same", "--force"]
        run(load(folder_settings))
        ask("/reset")
        run(load(settings))
        fetched, requests = map(int, ask("/stats").split())
        needed = needed_bytes(args.export)
        bucket, folder = [], []
        for pair in range(args.pairs):
            for file, results in ((settings, bucket), (folder_settings, folder))[:: 1 if pair % 2 else -1]:
                results.append(run(load(file)))
            print(f"pair {pair + 1}: bucket {bucket[-1][0]:.2f} s wall, {bucket[-1][1]:.2f} s CPU, {bucket[-1][2]:.0f} MiB; "
                  f"folder {folder[-1][0]:.2f} s, {folder[-1][1]:.2f} s CPU, {folder[-1][2]:.0f} MiB", flush=True)
        ratio = lambda i: statistics.median(a[i] / b[i] for a, b in zip(bucket, folder))
        more = statistics.median(a[2] - b[2] for a, b in zip(bucket, folder))
        print(f"median of {args.pairs} pairs, bucket / folder: wall {ratio(0):.2f}, CPU {ratio(1):.2f}; {more:+.0f} MiB of peak memory")
        print(f"{fetched:,} bytes fetched in {requests} requests, {fetched / needed:.3f} of the {needed:,} of needed column chunks and footers")
    finally:
        store.terminate()
        store.wait()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("export")
    p.add_argument("--anbun", default="target/release/anbun")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--bucket", action="store_true")
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
        if args.bucket:
            return compare_bucket(args, anbun, data)
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
