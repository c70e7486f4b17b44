"""Evaluates templates with Airbyte's own interpolation. usage: templates-cdk.py JOBS OUT NOW; a line of JOBS is {t, c}."""
import datetime as real
import json, logging, signal, sys, types

logging.disable(logging.CRITICAL)
try:
    from airbyte_cdk.sources.declarative.interpolation import macros
    from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation
except ImportError as error:
    print(f"no airbyte_cdk: {error}")
    sys.exit(3)

now = real.datetime.fromisoformat(sys.argv[3])


class Kind(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real.datetime)


class Frozen(real.datetime, metaclass=Kind):
    @classmethod
    def now(cls, tz=None):
        return now.astimezone(tz) if tz else now.replace(tzinfo=None)


clock = types.SimpleNamespace(
    datetime=Frozen, timezone=real.timezone, timedelta=real.timedelta, date=real.date
)
macros.datetime = clock
for function in macros.macros.values():
    function.__globals__["datetime"] = clock


def tagged(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return ["i", str(value)]
    if isinstance(value, float):
        return ["f", repr(value)]
    if isinstance(value, (list, tuple)):
        return ["l" if isinstance(value, list) else "t", [tagged(item) for item in value]]
    if isinstance(value, dict):
        return ["d", [[tagged(key), tagged(item)] for key, item in value.items()]]
    return ["?", type(value).__name__]


def late(*_):
    raise RuntimeError("late")


signal.signal(signal.SIGALRM, late)
interpolation = JinjaInterpolation()
contexts = {}
with open(sys.argv[2], "w") as out:
    for line in open(sys.argv[1]):
        job = json.loads(line)
        context = json.loads(job["c"])
        signal.alarm(3)
        try:
            config = context.pop("config")
            result = {"v": tagged(interpolation.eval(job["t"], config, **context))}
        except BaseException as error:
            result = {"e": type(error).__name__ + ": " + str(error)[:120]}
        signal.alarm(0)
        out.write(json.dumps(result) + "\n")
