"""2,000 budgets of a company of 10,000 people, looked at after a load.

    budgets.py --anbun target/release/anbun --export FOLDER [--people 10000] [--budgets 2000]

Loads a small export for its month, writes as many people and models into the month's sums in SQL and a hundred days of use of each project,
person and department, then makes budgets of every kind and runs the job that looks at them.  Prints medians, and the ratio to PostgreSQL's own
sums over the same rows, asked in the same run.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import psycopg

from month import MONTH, fill

DAYS = 100


def fill_days(connection, people):
    source = connection.execute("SELECT source_id FROM snapshots WHERE is_current AND billing_period = %s", (MONTH,)).fetchone()[0]
    connection.execute("DELETE FROM department_days")
    connection.execute("DELETE FROM usage_days")
    days = "FROM generate_series(date '2026-07-24', date '2026-07-24' + %s - 1, interval '1 day') d"
    connection.execute(
        "INSERT INTO department_days SELECT date_trunc('month', d)::date, %s, d::date, 'usage', 'Usage', 'USD', 'attributed', NULL, 'd' || n, 100, 1000, "
        "(100 + (n * 31 + extract(day FROM d)::int * 17) %% 50)::numeric, 0 " + days + ", generate_series(0, 299) n", (source, DAYS))
    connection.execute(
        "INSERT INTO usage_days SELECT date_trunc('month', d)::date, %s, 'person', 'p' || n, 'USD', d::date, 1000, "
        "(3 + (n * 7 + extract(day FROM d)::int * 3) %% 5)::numeric " + days + ", generate_series(0, %s - 1) n", (source, DAYS, people))
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--anbun", required=True)
    arguments.add_argument("--export", required=True, help="any export of 2026-10 with its directory")
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--budgets", type=int, default=2_000)
    a = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="anbun-bench-")
    os.chmod(folder, 0o755)
    anbun = [os.path.abspath(a.anbun), "--data-dir", folder]
    run = lambda *more: subprocess.run([*anbun, *more], check=True, capture_output=True)
    directory = os.path.join(a.export, "directory")
    run("directory", "import", *(os.path.join(directory, name) for name in sorted(os.listdir(directory))))
    run("ingest", "cur", a.export)
    # A command that stays keeps the server for the others.
    serving = subprocess.Popen([*anbun, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "ANBUN__SCHEDULE__EVALUATE_BUDGETS": "off"})
    time.sleep(2)
    connection = psycopg.connect(host=os.path.join(folder, "socket"), user="anbun", dbname="anbun")
    fill(connection, a.people, 12)
    connection.autocommit = False
    fill_days(connection, a.people)
    budgets = os.path.join(folder, "budgets.csv")
    with open(budgets, "w") as file:
        file.write("name,scope,code,frequency,currency,amount,rate,valid_from,valid_to\n")
        for n in range(a.budgets):
            scope, code = [("person", f"p{n}"), ("department", f"d{n % 300}"), ("family", "opus"), ("company", "")][min(n % 5, 3) if n % 5 != 4 else 0]
            file.write(f"b{n},{scope},{code},month,JPY,{1_000_000_000 + n},150,2026-04,\n")
    run("budgets", "import", budgets)
    took, sums = [], []
    for _ in range(7):
        started = time.perf_counter()
        run("budgets", "status", "--period", "2026-10", "--format", "json")
        took.append(time.perf_counter() - started)
        started = time.perf_counter()
        connection.execute("SELECT department, person, sum(cost) FROM person_model_months GROUP BY 1, 2").fetchall()
        connection.execute("SELECT scope, code, usage_date, sum(cost) FROM usage_days GROUP BY 1, 2, 3").fetchall()
        sums.append(time.perf_counter() - started)
    mid = lambda values: statistics.median(values[1:])
    print(f"{a.budgets} budgets of {a.people} people, statuses by the command: {mid(took):.2f} s, {mid(took) / mid(sums):.2f} of PostgreSQL's sums ({mid(sums):.2f} s)")
    # The import asked for a look, and the server took it: its first is at the month and all of its budgets.
    rows = connection.execute("SELECT extract(epoch FROM finished_at - started_at), counts FROM job_runs WHERE job = 'evaluate-budgets' ORDER BY (counts ->> 'budgets')::int DESC NULLS LAST LIMIT 1").fetchone()
    print(f"the job that looks at them: {float(rows[0]):.2f} s, {rows[1]}")
    connection.close()
    serving.terminate()
    serving.wait()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
