/** The API's reference: one page without scripts, made from its OpenAPI description. */

// The description is plain JSON, of the shape that OpenAPI 3.1 gives it.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const escape = (text: unknown) =>
  String(text ?? '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

const METHODS = ['get', 'post', 'put', 'delete'] as const;

export function referencePage(description: Json): string {
  const operations = Object.entries<Json>(description.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })),
  );
  const tags = [...new Set<string>(operations.map(({ tags: [tag] }) => tag))];
  const sections = tags.map(
    (tag) =>
      `<section id="${escape(tag)}"><h2>${escape(tag)}</h2>${operations
        .filter(({ tags: [own] }) => own === tag)
        .map(operation)
        .join('')}</section>`,
  );
  const schemas = Object.entries<Json>(description.components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${escape(name)}"><summary><code>${escape(name)}</code></summary>${fields(schema)}</details>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(description.info.title)}</title><style>${STYLE}</style></head><body>
<header><h1>${escape(description.info.title)} <small>${escape(description.info.version)}</small></h1><p>${escape(description.info.description)}</p><p><a href="openapi.json">openapi.json</a></p><nav>${[...tags, 'schemas'].map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join(' ')}</nav></header>
<main>${sections.join('')}<section id="schemas"><h2>schemas</h2>${schemas.join('')}</section></main></body></html>`;
}

function operation({
  method,
  path,
  summary,
  description,
  operationId,
  parameters = [],
  requestBody,
  responses,
  'x-role': role,
}: Json): string {
  const body = requestBody?.content['application/json'].schema;
  const rows = parameters.map((parameter: Json) => [
    `<code>${escape(parameter.name)}</code>${parameter.required ? ' *' : ''}`,
    `in the ${escape(parameter.in)}`,
    type(parameter.schema),
    escape(parameter.description ?? parameter.schema?.description),
  ]);
  const ok = Object.entries<Json>(responses)
    .filter(([status]) => status.startsWith('2'))
    .map(([status, response]) => {
      const schema = Object.values<Json>(response.content ?? {})[0]?.schema;
      return `<p><b>${status}</b> ${escape(response.description)} ${schema ? type(schema) : ''}</p>${schema && !schema.$ref ? fields(schema) : ''}`;
    });
  return `<article id="${escape(operationId)}"><h3><span class="${method}">${method.toUpperCase()}</span> <code>${escape(path)}</code></h3><p>${escape(summary)}. <small>role: ${escape(role)}</small></p>${description ? `<p>${escape(description)}</p>` : ''}
${rows.length > 0 ? table(rows) : ''}${body ? `<p>Body: ${type(body)}</p>${body.$ref ? '' : fields(body)}` : ''}${ok.join('')}</article>`;
}

function fields(schema: Json): string {
  const { properties, required = [] } = schema.allOf
    ? { properties: Object.assign({}, ...schema.allOf.map((part: Json) => part.properties ?? {})), required: [] }
    : schema;
  if (!properties) return `<p>${type(schema)} ${escape(schema.description)}</p>`;
  return table(
    Object.entries<Json>(properties).map(([name, of]) => [
      `<code>${escape(name)}</code>${required.includes(name) ? ' *' : ''}`,
      type(of),
      escape(of.description),
    ]),
  );
}

function type(schema: Json): string {
  if (schema?.$ref) {
    const name = schema.$ref.split('/').at(-1);
    return `<a href="#schema-${escape(name)}">${escape(name)}</a>`;
  }
  if (schema?.anyOf ?? schema?.oneOf ?? schema?.allOf)
    return (schema.anyOf ?? schema.oneOf ?? schema.allOf).map(type).join(' or ');
  if (schema?.enum) return schema.enum.map((value: unknown) => `<code>${escape(value)}</code>`).join(', ');
  if (schema?.type === 'array') return `list of ${type(schema.items)}`;
  return escape(Array.isArray(schema?.type) ? schema.type.join(' or ') : (schema?.const ?? schema?.type ?? 'anything'));
}

function table(rows: string[][]): string {
  return `<div class="scroll" tabindex="0"><table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table></div>`;
}

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}nav a{margin-right:.8rem}article{border-top:1px solid #8884;padding:.5rem 0}
h3 span{font-size:.8em;border:1px solid;border-radius:.3em;padding:0 .4em}.scroll{overflow-x:auto}table{border-collapse:collapse}td{padding:.15rem .8rem .15rem 0;vertical-align:top}code{font-size:.92em;overflow-wrap:anywhere}small{opacity:.75}`;
