/** A described router: parts of a stream from some of its parents, from lists in their records, or else from a list. */
import { ConfigError } from '../../../base/errors.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Parents } from './declared-schema.js';

/** The router as the runtime knows it; what the language has no word for stands in fields of ours. */
export function partsOfParents({ from, keep, otherwise }: Parents, component: JsonObject): JsonObject {
  const $parameters = component['$parameters'] ?? {};
  const configs = parentConfigs(component);
  const chosen = from.flatMap(({ of, each, value }) =>
    named(configs, of, component).map((config): JsonObject => ({
      ...config,
      ...(each ? { each } : {}),
      ...(value === undefined ? {} : { each_value: value }),
    })),
  );
  const routers = chosen.map((config): JsonObject => ({
    type: 'SubstreamPartitionRouter',
    $parameters,
    parent_stream_configs: [config],
  }));
  const field = String(chosen[0]!['partition_field']);
  const all: JsonObject =
    routers.length === 1
      ? routers[0]!
      : { type: 'UnionPartitionRouter', $parameters, partition_routers: routers, partition_field: field };
  if (keep === undefined && otherwise === undefined) return all;
  return {
    type: 'NarrowedPartitionRouter',
    $parameters,
    underlying_partition_router: all,
    partition_field: field,
    ...(keep === undefined ? {} : { keep }),
    ...(otherwise === undefined ? {} : { otherwise }),
  };
}

function parentConfigs(component: JsonObject): JsonObject[] {
  const found = component['parent_stream_configs'];
  const configs = (Array.isArray(found) ? found : [found]).filter(isObject);
  if (configs.length > 0) return configs;
  throw fault(component, 'parent_stream_configs, which a class of parents has', 'none');
}

function named(configs: JsonObject[], name: string | undefined, component: JsonObject): JsonObject[] {
  const nameOf = ({ stream }: JsonObject) => (isObject(stream) ? String(stream['name'] ?? '') : '');
  const found = name === undefined ? configs : configs.filter((config) => nameOf(config) === name);
  if (found.length > 0) return found;
  throw fault(component, `a parent stream of the name ${name}`, configs.map(nameOf).join(', '));
}

function fault(component: JsonObject, expected: string, found: string): ConfigError {
  return new ConfigError('a described class needs a parent that its component lacks', {
    code: 'components_field',
    place: String(component['class_name']),
    expected,
    found,
    next: 'correct `of` in the components (docs/guides/twins.md)',
  });
}
