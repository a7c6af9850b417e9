"""A month of 10,000 people and 12 models: its preview at the API, and closing it.

    month.py --anbun target/release/anbun [--people 10000] [--models 12]

Loads a small export for its month, then writes as many people and models into the month's sums in SQL, serves, and asks for the
chargeback by department and by person; then closes the month.  Prints medians, and the ratio of the preview to PostgreSQL's own
sum over the same rows, asked in the same run.
"""
import argparse
import http.client
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

import psycopg

MONTH = "2026-10-01"


def fill(connection, people, models):
    """Each person in one of 300 departments, with every model; four kinds of token a model in the department's sums.

    A fifth of the people work for one of 200 projects, one in fifty for two."""
    source = connection.execute("SELECT source_id FROM snapshots WHERE is_current AND billing_period = %s", (MONTH,)).fetchone()[0]
    connection.execute("INSERT INTO departments SELECT 'd' || n, 'D' || n, '', '', 'C' || n, 'JP01', '', '2026-04-01', NULL FROM generate_series(0, 299) n ON CONFLICT DO NOTHING")
    connection.execute("INSERT INTO people SELECT 'p' || n, 'P' || n, 'p' || n || '@x', 'd' || n %% 300, '', '2026-04-01', NULL FROM generate_series(0, %s - 1) n ON CONFLICT DO NOTHING", (people,))
    connection.execute("DELETE FROM person_model_months WHERE billing_period = %s", (MONTH,))
    connection.execute("DELETE FROM person_months WHERE billing_period = %s", (MONTH,))
    connection.execute("DELETE FROM department_months WHERE billing_period = %s", (MONTH,))
    connection.execute("DELETE FROM left_out_totals WHERE billing_period = %s", (MONTH,))
    connection.execute(
        "INSERT INTO person_model_months (billing_period, source_id, payer, seller, invoice, currency, state, department, person, project, provider, family, version, model, token_kind, route, tier, context, line_kind, lines, tokens, cost, net_cost) "
        "SELECT %s, %s, '999900001111', 'AWS', 'INV-1', 'USD', 'attributed', 'd' || p %% 300, 'p' || p, CASE WHEN p %% 50 = 1 AND m %% 2 = 0 THEN 'PJ-' || (p + 1) %% 200 WHEN p %% 5 = 1 THEN 'PJ-' || p %% 200 END, 'anthropic', 'opus', m::text, 'claude-opus-' || m, k, 'global', 'standard', 'standard', 'tokens', 10, 1000 + p, "
        "((p * 7919 + m * 104729 + length(k) * 31) %% 100000)::numeric / 10000 + 0.0000000001, 0 "
        "FROM generate_series(0, %s - 1) p, generate_series(1, %s) m, unnest(ARRAY['input', 'output', 'cache_read', 'cache_write']) k", (MONTH, source, people, models))
    connection.execute(
        "INSERT INTO person_months (billing_period, source_id, payer, seller, invoice, currency, department, person, project, lines, tokens, cost) "
        "SELECT billing_period, source_id, payer, seller, invoice, currency, department, person, project, sum(lines), sum(tokens), sum(cost) "
        "FROM person_model_months WHERE billing_period = %s GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9", (MONTH,))
    connection.execute(
        "INSERT INTO department_months (billing_period, source_id, payer, seller, invoice, account, product_code, charge_class, charge_type, currency, line_kind, token, state, department, lines, tokens, cost, net_cost) "
        "SELECT billing_period, source_id, payer, seller, invoice, '111122223333', 'prod-' || model, 'usage', 'Usage', currency, line_kind, token_kind, state, department, sum(lines), sum(tokens), sum(cost), 0 "
        "FROM person_model_months WHERE billing_period = %s GROUP BY 1, 2, 3, 4, 5, model, 10, 11, 12, 13, 14", (MONTH,))
    connection.execute(
        "INSERT INTO department_months (billing_period, source_id, payer, seller, invoice, account, product_code, charge_class, charge_type, currency, line_kind, state, reason, lines, tokens, cost, net_cost) "
        "SELECT %s, %s, '999900001111', 'AWS', 'INV-1', '111122223333', 'prod-claude-opus-1', c, t, 'USD', 'unknown', 'unattributed', 'not_usage', 1, 0, v, 0 "
        "FROM (VALUES ('tax', 'Tax', 25000.55), ('credit', 'Credit', -1234.56), ('refund', 'Refund', -7.89), ('discount', 'EdpDiscount', -4321.09)) x (c, t, v)", (MONTH, source))
    total = connection.execute("SELECT sum(cost) FROM department_months WHERE billing_period = %s", (MONTH,)).fetchone()[0]
    connection.execute("DELETE FROM snapshot_totals USING snapshots s WHERE snapshot_totals.snapshot_id = s.snapshot_id AND s.billing_period = %s", (MONTH,))
    connection.execute("INSERT INTO snapshot_totals SELECT snapshot_id, true, 'Usage', 'USD', 1, %s, 0 FROM snapshots WHERE is_current AND billing_period = %s", (total, MONTH))
    connection.execute("INSERT INTO recounts SELECT snapshot_id, now(), 0 FROM snapshots WHERE is_current ON CONFLICT DO NOTHING")
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def asked(port, path, times=15):
    client = http.client.HTTPConnection("127.0.0.1", port)
    took = []
    for _ in range(times):
        started = time.perf_counter()
        client.request("GET", path)
        answer = client.getresponse()
        body = answer.read()
        assert answer.status == 200, body[:400]
        took.append(time.perf_counter() - started)
    return statistics.median(took[3:]) * 1000, len(body)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--anbun", required=True)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--models", type=int, default=12)
    arguments.add_argument("--export", required=True, help="any export of 2026-10 with its directory")
    a = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="anbun-bench-")
    os.chmod(folder, 0o755)
    anbun = [os.path.abspath(a.anbun), "--data-dir", folder]
    serving = subprocess.Popen([*anbun, "serve", "--listen", "127.0.0.1:18099"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if subprocess.run([*anbun, "migrate", "--check"], capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        directory = os.path.join(a.export, "directory")
        subprocess.run([*anbun, "directory", "import", *[os.path.join(directory, f) for f in os.listdir(directory)]], check=True, capture_output=True)
        subprocess.run([*anbun, "ingest", "cur", a.export], check=True, capture_output=True)
        with psycopg.connect(f"host={folder}/socket user=anbun dbname=anbun") as connection:
            fill(connection, a.people, a.models)
            peer = []
            for _ in range(9):
                started = time.perf_counter()
                connection.execute("SELECT department, person, model, sum(cost) FROM person_model_months WHERE billing_period = %s GROUP BY 1, 2, 3", (MONTH,)).fetchall()
                peer.append(time.perf_counter() - started)
            peer = statistics.median(peer) * 1000
        rules = os.path.join(folder, "rules.csv")
        with open(rules, "w") as f:
            f.write("pool,method,members,fallback,legal_entity,valid_from,valid_to\ntax,proportional,,d0,,2026-04,\nrefund,proportional,,d0,,2026-04,\n")
        subprocess.run([*anbun, "allocation", "import", rules], check=True, capture_output=True)
        print(f"{a.people} people x {a.models} models, {a.people * a.models} leaves in yen")
        for by in ("department", "person", "project"):
            took, size = asked(18099, f"/api/v1/chargeback/2026-10?by={by}")
            print(f"preview by {by}: {took:.0f} ms, {size / 1e6:.1f} MB; {took / peer:.2f} of PostgreSQL's sum of the same rows ({peer:.0f} ms)")
        started = time.perf_counter()
        accept = ["--accept", "rate=bench", "--accept", "days=bench", "--accept", "errors=bench", "--accept", "quarantine=bench"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        closed = subprocess.run([*anbun, "chargeback", "close", "2026-10", "--to", "provisional", *accept], capture_output=True, text=True)
        took = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        print(f"close: {took:.2f} s ({cpu:.2f} s of CPU here, the rest in PostgreSQL), exit {closed.returncode}")
        print(closed.stderr.strip().splitlines()[-1])
        took, _ = asked(18099, "/api/v1/chargeback/2026-10?by=department")
        print(f"closed month by department: {took:.0f} ms")
    finally:
        serving.terminate()
        serving.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
