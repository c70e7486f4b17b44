"""Reads manifests with Airbyte's own CDK. usage: oracle-cdk.py JOBS; each line of JOBS is a read and its output's file."""
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
    from airbyte_cdk.utils.yaml_loader import safe_load_yaml
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
LIMIT = float(os.environ.get("HEADRACE_ORACLE_SECONDS", "60"))


def read(job):
    result = {"messages": [], "error": None}
    try:
        manifest = job["manifest"]
        if isinstance(manifest, str):
            manifest = safe_load_yaml(manifest)
        catalog = ConfiguredAirbyteCatalogSerializer.load(job["catalog"])
        given = job.get("state")
        state = [AirbyteStateMessageSerializer.load(each) for each in given] if given else None
        source = ConcurrentDeclarativeSource(catalog=catalog, config=job["config"], state=state, source_config=manifest)
        for message in source.read(logging.getLogger("airbyte"), job["config"], catalog, state):
            if message.type.value in ("RECORD", "STATE", "TRACE"):
                result["messages"].append(AirbyteMessageSerializer.dump(message))
    except BaseException as error:
        result["error"] = str(error)[:300] or type(error).__name__
    json.dump(result, open(job["out"], "w"), default=str)


for line in open(sys.argv[1]):
    job = json.loads(line)
    child = os.fork()
    if child:
        until = time.time() + LIMIT
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.time() > until:
                os.kill(child, 9)
                os.waitpid(child, 0)
                break
            sleep(0.01)
        continue
    base["url"] = job["url"]
    read(job)
    os._exit(0)
