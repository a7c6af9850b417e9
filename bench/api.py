"""Latency of the API over many stored facts.

    api.py --anbun target/release/anbun --facts 20000000 EXPORT

Loads EXPORT, copies its month under earlier months in SQL until there are so many facts (roll-ups with them), serves,
and asks: a chargeback by department, and one person's month, from one client; then people's months from two.
"""
import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import psycopg


def fill(connection, facts):
    """Copies the newest month to earlier ones."""
    period, source = connection.execute("SELECT billing_period, source_id FROM snapshots WHERE is_current ORDER BY billing_period DESC LIMIT 1").fetchone()
    rows = connection.execute("SELECT count(*) FROM charges").fetchone()[0]
    columns = lambda table, shift: ", ".join(
        f"({c} - interval '{shift} month')::date" if c in ("billing_period", "usage_date") else c
        for (c,) in connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", (table,)).fetchall())
    month, copies = 0, 0
    per_month = max(1, facts // (36 * rows))        # a company's 36 months, each of as many facts as it takes
    while rows * copies < facts:
        month += 1
        name = f"charges_bench_{month}"
        connection.execute(f"CREATE TABLE {name} (LIKE charges) PARTITION BY LIST (source_id)")
        connection.execute(f"CREATE TABLE {name}_1 (LIKE charges)")
        for _ in range(per_month):
            connection.execute(f"INSERT INTO {name}_1 SELECT {columns('charges', month)} FROM charges WHERE billing_period = %s", (period,))
            copies += 1
        connection.execute(f"CREATE INDEX ON {name}_1 (attribution_key, usage_date)")
        connection.execute(f"CREATE INDEX ON {name} (attribution_key, usage_date)")
        connection.execute(f"ALTER TABLE {name} ATTACH PARTITION {name}_1 FOR VALUES IN ({source})")
        value = connection.execute("SELECT (%s::date - make_interval(months => %s))::date", (period, month)).fetchone()[0]
        connection.execute(f"ALTER TABLE charges ATTACH PARTITION {name} FOR VALUES IN ('{value}')")
        for table in ("department_days", "department_months", "person_model_months"):
            connection.execute(f"INSERT INTO {table} SELECT {columns(table, month)} FROM {table} WHERE billing_period = %s", (period,))
        connection.execute(
            "INSERT INTO snapshots (source_id, billing_period, digest, manifest, delivered_at, loaded_at, loaded_by, directory_version, lines_read, lines_kept, first_day, last_day, is_current) "
            "SELECT source_id, %s, digest, manifest, delivered_at, loaded_at, loaded_by, directory_version, lines_read, lines_kept, first_day, last_day, true "
            "FROM snapshots WHERE billing_period = %s AND is_current", (value, period))
        connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")
    return rows + rows * copies, month + 1


def ask(port, path, seconds, latencies):
    client = http.client.HTTPConnection("127.0.0.1", port)
    until = time.monotonic() + seconds
    n = 0
    while time.monotonic() < until:
        started = time.perf_counter()
        client.request("GET", path(n))
        response = client.getresponse()
        body = response.read()
        assert response.status == 200, body
        latencies.append((time.perf_counter() - started) * 1000)
        n += 1


def report(name, latencies, seconds):
    latencies.sort()
    print(f"{name}: p50 {statistics.median(latencies):.2f} ms, p99 {latencies[int(len(latencies) * .99)]:.2f} ms, {len(latencies) / seconds:.0f} a second", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("export")
    p.add_argument("--anbun", default="target/release/anbun")
    p.add_argument("--facts", type=int, default=20_000_000)
    p.add_argument("--port", type=int, default=18080)
    p.add_argument("--seconds", type=int, default=10)
    args = p.parse_args()
    data = tempfile.mkdtemp(prefix="anbun-bench-")
    os.chmod(data, 0o755)
    anbun = [os.path.abspath(args.anbun), "--data-dir", data]
    server = subprocess.Popen(anbun + ["serve", "--listen", f"127.0.0.1:{args.port}"], stderr=subprocess.DEVNULL)
    try:
        directory = os.path.join(args.export, "directory")
        quiet = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(anbun + ["directory", "import"] + [os.path.join(directory, n) for n in sorted(os.listdir(directory))], **quiet)
        subprocess.run(anbun + ["ingest", "cur", args.export], **quiet)
        with psycopg.connect(host=f"{data}/socket", user="anbun", dbname="anbun") as connection:
            facts, months = fill(connection, args.facts)
            period = connection.execute("SELECT to_char(max(billing_period), 'YYYY-MM') FROM snapshots").fetchone()[0]
            people = [r[0] for r in connection.execute("SELECT DISTINCT person FROM person_model_months WHERE person IS NOT NULL ORDER BY 1").fetchall()]
        print(f"{facts} facts in {months} months, {len(people)} people")
        chargeback = lambda n: f"/api/v1/chargeback/{period}"
        person = lambda n: f"/api/v1/people/{people[n % len(people)]}/usage?period={period}"
        for name, path, clients in (("chargeback by department, one client", chargeback, 1), ("one person's month, one client", person, 1), ("one person's month, two clients", person, 2)):
            ask(args.port, path, 1, [])
            latencies = []
            threads = [threading.Thread(target=ask, args=(args.port, path, args.seconds, latencies)) for _ in range(clients)]
            [t.start() for t in threads]
            [t.join() for t in threads]
            report(name, latencies, args.seconds)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(data, ignore_errors=True)


main()
