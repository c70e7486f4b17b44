"""dlt reads the simulated Stripe as Headrace does, one chain of pages of 100, and writes into one of its destinations.

usage: dlt-load.py duckdb|parquet URL KEY FOLDER; prints seconds and rows as JSON.
"""
import json
import os
import sys
import time

kind, url, key, folder = sys.argv[1:5]
os.environ["DLT_DATA_DIR"] = os.path.join(folder, "dlt")
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"

import dlt  # noqa: E402
import requests  # noqa: E402


# Nested values stay values, as Headrace leaves them: tables of their own would be more work.
@dlt.resource(name="customers", primary_key="id", write_disposition="append", max_table_nesting=0)
def customers():
    session = requests.Session()
    session.headers["authorization"] = f"Bearer {key}"
    after = None
    while True:
        page = session.get(
            f"{url}/v1/customers", params={"limit": 100, **({"starting_after": after} if after else {})}
        ).json()
        yield page["data"]
        if not page["has_more"]:
            return
        after = page["data"][-1]["id"]


if kind == "duckdb":
    destination = dlt.destinations.duckdb(os.path.join(folder, "dlt.duckdb"))
else:
    destination = dlt.destinations.filesystem(bucket_url=f"file://{folder}/out")
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="shop", pipelines_dir=os.path.join(folder, "p"))
started = time.monotonic()
pipeline.run(customers(), loader_file_format="parquet")
seconds = time.monotonic() - started
rows = pipeline.last_trace.last_normalize_info.row_counts["customers"]
print(json.dumps({"seconds": seconds, "rows": rows}))
