"""Reads YAML as Airbyte's CDK does. usage: yaml-cdk.py TEXTS OUT; each line of TEXTS is a text as JSON."""
import datetime, json, sys

try:
    from airbyte_cdk.utils.yaml_loader import safe_load_yaml
except ImportError as error:
    print(f"no airbyte_cdk: {error}")
    sys.exit(3)


def tagged(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return ["i", str(value)]
    if isinstance(value, float):
        return ["f", repr(value)]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return ["date"]
    if isinstance(value, list):
        return ["l", [tagged(item) for item in value]]
    if isinstance(value, dict):
        return ["d", sorted([[json.dumps(tagged(key)), tagged(item)] for key, item in value.items()])]
    return ["?", type(value).__name__]


with open(sys.argv[2], "w") as out:
    for line in open(sys.argv[1]):
        try:
            result = {"v": tagged(safe_load_yaml(json.loads(line)))}
        except BaseException as error:
            result = {"e": str(error).replace("\n", " ")[:120]}
        out.write(json.dumps(result) + "\n")
