"""The peer of bench/load.py: the same selection and sums by DuckDB, then COPY into one PostgreSQL table.

    duckdb_copy.py EXPORT SOCKET_FOLDER

One scan sums both the Bedrock lines (by everything that anbun keeps) and the totals of the rest.  It attributes nothing
and makes no roll-ups.
"""
import json
import os
import sys

import duckdb
import psycopg

export, socket_folder = sys.argv[1:3]
files = []
for folder, _, names in os.walk(f"{export}/metadata"):
    for name in names:
        if name.endswith("Manifest.json"):
            with open(f"{folder}/{name}") as f:
                files += [f"{export}/data/" + n.split("/data/", 1)[1] for n in json.load(f)["dataFiles"]]

PLAIN = """bill_payer_account_id payer, line_item_usage_account_id account, bill_invoicing_entity seller, bill_invoice_id invoice,
    line_item_line_item_type charge_type, line_item_currency_code currency"""
WIDE = ["line_item_iam_principal", "CAST(tags AS VARCHAR)", "line_item_product_code", "product_product_family", "product['provider']", "product['model']",
        "product['inference_type']", "product['feature']", "product['product_name']", "line_item_usage_type", "line_item_operation", "product_region_code",
        "CASE WHEN line_item_resource_id LIKE '%inference-profile/%' THEN line_item_resource_id END", "pricing_unit", "bill_bill_type", "line_item_tax_type",
        "bill_billing_entity", "CASE WHEN line_item_line_item_type IN ('Credit', 'Refund') THEN line_item_line_item_description END"]
BEDROCK = """coalesce(product_product_family = 'Amazon Bedrock', false) OR coalesce(line_item_product_code IN ('AmazonBedrock', 'AmazonBedrockService', 'AmazonBedrockFoundationModels'), false)
    OR coalesce(product['product_name'] LIKE '%(Amazon Bedrock Edition)', false) OR coalesce(line_item_operation LIKE 'InvokeModel%', false)"""
SUMS = """count(*) AS line_count, sum(CAST(line_item_unblended_cost AS DECIMAL(28, 12))) AS cost,
    sum(CAST(coalesce(line_item_net_unblended_cost, line_item_unblended_cost) AS DECIMAL(28, 12))) AS net_cost"""
MORE = """sum(CAST(line_item_usage_amount AS DECIMAL(28, 12))) AS quantity, sum(CAST(pricing_public_on_demand_cost AS DECIMAL(28, 12))) AS list_cost"""

db = duckdb.connect()
db.execute("SET threads = 2; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
source = f"read_parquet({files!r}, hive_partitioning = false)"
day = "CAST(line_item_usage_start_date AS DATE) AS usage_date"
wide = ", ".join(f"{c} AS w{i}" for i, c in enumerate(WIDE))
scratch = f"/dev/shm/anbun-bench-{os.getpid()}"
if os.environ.get("ANBUN_BENCH_ONE_SCAN"):
    wide = ", ".join(f"CASE WHEN {BEDROCK} THEN {c} END AS w{i}" for i, c in enumerate(WIDE))
    db.execute(f"COPY (SELECT {BEDROCK} AS is_bedrock, {day}, {PLAIN}, {wide}, {SUMS}, {MORE} FROM {source} GROUP BY ALL) TO '{scratch}-kept.csv' (HEADER false)")
else:
    db.execute(f"COPY (SELECT true AS is_bedrock, {day}, {PLAIN}, {wide}, {SUMS}, {MORE} FROM {source} WHERE {BEDROCK} GROUP BY ALL) TO '{scratch}-kept.csv' (HEADER false)")
    empty = ", ".join("NULL" for _ in WIDE)
    db.execute(f"COPY (SELECT false AS is_bedrock, {day}, {PLAIN}, {empty}, {SUMS}, NULL, NULL FROM {source} WHERE NOT ({BEDROCK}) GROUP BY ALL) TO '{scratch}-rest.csv' (HEADER false)")
db.close()

columns = "is_bedrock boolean, usage_date date, payer text, account text, seller text, invoice text, charge_type text, currency text, " + ", ".join(
    f"w{i} text" for i in range(len(WIDE))) + ", line_count bigint, cost numeric, net_cost numeric, quantity numeric, list_cost numeric"
with psycopg.connect(host=socket_folder, user="anbun", dbname="anbun") as connection:
    connection.execute("DROP TABLE IF EXISTS bench_duckdb")
    connection.execute(f"CREATE TABLE bench_duckdb ({columns})")
    for part in ("kept", "rest"):
        path = f"{scratch}-{part}.csv"
        if not os.path.exists(path):
            continue
        with connection.cursor() as cursor, open(path, "rb") as f, cursor.copy("COPY bench_duckdb FROM STDIN (FORMAT csv)") as copy:
            while block := f.read(1 << 20):
                copy.write(block)
        os.remove(path)
    print(connection.execute("SELECT count(*), sum(line_count), sum(cost) FROM bench_duckdb WHERE is_bedrock").fetchone())
