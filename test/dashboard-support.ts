/** Who looks at the dashboard in the tests: pages of a real Chromium, and what is wrong with them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser } from './browser.js';
import { patience } from './patience.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds wrong, as `rule: where`. */
export async function axeFaults(page: Page): Promise<string[]> {
  if (!(await page.evaluate<boolean>('typeof axe === "object"'))) await page.evaluate(AXE);
  return page.evaluate<string[]>(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, html }) => id + ': ' + target.join(' ') + ' ' + html.slice(0, 120))))`);
}

/** Pages of one browser. Every request must stay at home, and nothing may go wrong unseen. */
export class Visitors {
  private readonly pages: Page[] = [];
  private faults: string[] = [];

  private constructor(private readonly browser: Browser) {}

  static async come(): Promise<Visitors> {
    return new Visitors(await openBrowser());
  }

  /** `token` empty: nobody is signed in. */
  async open(hash = '', options: BrowserContextOptions = {}, base: string, token: string): Promise<Page> {
    const context = await this.browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    if (token !== '')
      await context.request.post(`${base}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } });
    const page = await context.newPage();
    page.setDefaultTimeout(patience(90_000));
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on(
      'console',
      (message) =>
        message.type() === 'error' &&
        !/status of (?:401|422|502) /.test(message.text()) &&
        this.faults.push(message.text()),
    );
    page.on(
      'request',
      (request) =>
        !request.url().startsWith(base) &&
        !request.url().startsWith('data:') &&
        this.faults.push(`asked ${request.url()}`),
    );
    await page.goto(`${base}/${hash}`);
    this.pages.push(page);
    return page;
  }

  /** What the test itself caused. */
  forgive(expected: RegExp): void {
    this.faults = this.faults.filter((fault) => !expected.test(fault));
  }

  /** Closes the pages; what went wrong in them. */
  async leave(): Promise<string[]> {
    await Promise.all(this.pages.splice(0).map((page) => page.context().close()));
    return this.faults.splice(0);
  }

  async goHome(): Promise<void> {
    await this.browser.close();
  }
}

/** A manifest with two streams of three rows, that asks for one of two ways to sign in. */
export const tinyManifest = (url: string): string => `version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [things]}
definitions:
  retriever:
    type: SimpleRetriever
    requester:
      type: HttpRequester
      url_base: ${url}
      path: "/{{ parameters['name'] }}"
      http_method: GET
      request_headers: {x-key: "{{ config['auth'].get('token', 'none') }}"}
    record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
streams:
${['things', 'others']
  .map(
    (name) => `  - type: DeclarativeStream
    name: ${name}
    primary_key: id
    retriever: {$ref: "#/definitions/retriever", $parameters: {name: ${name}}}
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: integer}}}}`,
  )
  .join('\n')}
spec:
  type: Spec
  documentation_url: https://tiny.example/docs
  connection_specification:
    type: object
    required: [auth]
    properties:
      auth:
        type: object
        title: Authentication
        oneOf:
          - title: Nobody
            required: [kind]
            properties: {kind: {type: string, const: nobody}}
          - title: Token
            required: [kind, token]
            properties:
              kind: {type: string, const: token}
              token: {type: string, title: Access token, airbyte_secret: true, description: "Of <b>your</b> account.", examples: [tk_1]}
      start: {type: string, title: Start date, format: date, order: 1}
`;
