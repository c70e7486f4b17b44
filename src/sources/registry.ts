/** The connectors that Headrace knows. A new one is a folder with its descriptor, and its line here. */
import { Registry } from '../base/registry.js';
import type { Connector } from './connector.js';
import { manifestConnector } from './manifest/descriptor.js';
import { stripeConnector } from './stripe/descriptor.js';

export const CONNECTORS = new Registry<Connector>({
  kind: 'source',
  word: 'connector',
  builtIn: [stripeConnector, manifestConnector],
  entry: () => import('./index.js'),
  define: 'defineSource({ … })',
  isOne: isConnector,
});

function isConnector(value: unknown): value is Connector {
  if (typeof value !== 'object' || value === null) return false;
  const { name, schema, open } = value as Partial<Connector>;
  return typeof name === 'string' && typeof schema === 'object' && typeof open === 'function';
}
