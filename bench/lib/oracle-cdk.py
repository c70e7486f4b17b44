"""Reads scenarios with Airbyte's own CDK. usage: oracle-cdk.py JOBS; each line of JOBS names its files and its address."""
import json, logging, os, sys, time, urllib.parse, warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
try:
    import requests.adapters
    from airbyte_cdk.models import (
        AirbyteMessageSerializer,
        AirbyteStateMessageSerializer,
        ConfiguredAirbyteCatalogSerializer,
    )
    from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
except ImportError as error:
    print(f"no airbyte_cdk: {error}")
    sys.exit(3)

base = {"url": None}
send = requests.adapters.HTTPAdapter.send


def to_mock(self, request, **kwargs):
    parts = urllib.parse.urlsplit(request.url)
    if parts.hostname != "127.0.0.1":
        request.url = base["url"] + (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return send(self, request, **kwargs)


requests.adapters.HTTPAdapter.send = to_mock
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.02))

for line in open(sys.argv[1]):
    job = json.loads(line)
    child = os.fork()
    if child:
        until = time.time() + 20
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.time() > until:
                os.kill(child, 9)
                os.waitpid(child, 0)
                break
            sleep(0.01)
        continue
    base["url"] = job["url"]
    result = {"records": [], "failed": False, "message": ""}
    try:
        catalog = ConfiguredAirbyteCatalogSerializer.load(job["catalog"])
        given = job.get("state")
        state = [AirbyteStateMessageSerializer.load(each) for each in given] if given else None
        source = ConcurrentDeclarativeSource(
            catalog=catalog, config=job["config"], state=state, source_config=job["manifest"]
        )
        for message in source.read(logging.getLogger("airbyte"), job["config"], catalog, state):
            dumped = AirbyteMessageSerializer.dump(message)
            if dumped["type"] == "RECORD":
                result["records"].append(dumped["record"]["data"])
            if dumped["type"] == "TRACE" and dumped["trace"]["type"] == "ERROR":
                result.update(failed=True, message=dumped["trace"]["error"]["message"])
    except BaseException as error:
        result.update(failed=True, message=result["message"] or str(error)[:200])
    json.dump(result, open(job["out"], "w"), default=str)
    os._exit(0)
