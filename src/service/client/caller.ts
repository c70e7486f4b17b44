/**
 * What every method of the client does: one request, and an error that says what to do next. Runs in Node.js and in
 * browsers.
 */

/** Where the service is, and with what it is asked. */
export interface ClientOptions {
  /** Where the service is, such as http://127.0.0.1:8787. */
  url: string;
  /** Of `headrace token create` or `headrace token show`. In a browser that is signed in, none is needed. */
  token?: string | undefined;
  /** Instead of the global one. */
  fetch?: typeof fetch | undefined;
}

/** The service refused, or could not be understood. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    message: string,
    /** HTTP status; 0 where no answer came. */
    readonly status: number,
    readonly code: string,
    readonly detail: {
      place?: string | undefined;
      expected?: string | undefined;
      found?: string | undefined;
      next?: string | undefined;
    } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** One event of the stream; `data` is what the API's reference says of its name. */
export interface WatchedEvent {
  event: 'run' | 'event' | 'task' | 'resync';
  id: string | undefined;
  data: unknown;
}

/** What is watched, and until when. */
export interface WatchOptions {
  /** Of this run alone. */
  run?: string | undefined;
  /** Of this connection alone. */
  connection?: string | undefined;
  /** Default: all. */
  kinds?: ('run' | 'event' | 'task')[] | undefined;
  signal?: AbortSignal | undefined;
}

const EVENTS = '/api/v1/events';
/** A service that says nothing for this long is gone: it says that it is alive every 15 s. */
const SILENCE_MS = 40_000;

export class Caller {
  constructor(private readonly options: ClientOptions) {}

  /** Events as they happen, until the signal aborts or the service ends the stream. Throws ApiError. */
  async *watchEvents({ run, connection, kinds, signal }: WatchOptions = {}): AsyncGenerator<WatchedEvent> {
    const silence = new AbortController();
    const response = await this.send(
      'GET',
      `${EVENTS}${queryOf({ run, connection, kinds: kinds?.join(',') })}`,
      undefined,
      AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]),
    );
    if (!response.ok) throw await errorOf(response);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        const { done, value } = await reader.read();
        if (done) return;
        const parts = (text + value).split('\n\n');
        text = parts.pop()!;
        for (const part of parts) {
          const fields = Object.fromEntries(
            part
              .split('\n')
              .map((line): [string, string] => [
                line.slice(0, line.indexOf(':')),
                line.slice(line.indexOf(':') + 1).trimStart(),
              ]),
          );
          if (fields['event'] !== undefined)
            yield {
              event: fields['event'] as WatchedEvent['event'],
              id: fields['id'],
              data: JSON.parse(fields['data'] ?? 'null'),
            };
        }
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw new ApiError(
        'the stream of events broke off',
        0,
        'stream_broken',
        { next: 'watch again' },
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
      await reader.cancel().catch(() => {});
    }
  }

  protected async call<Answer>(
    method: string,
    path: string,
    { query, body }: { query?: object; body?: unknown } = {},
  ): Promise<Answer> {
    const response = await this.send(method, path + queryOf(query ?? {}), body);
    if (!response.ok) throw await errorOf(response);
    return (response.status === 204 ? undefined : await response.json()) as Answer;
  }

  /** An answer that is no JSON, as it is. */
  protected async text(method: string, path: string): Promise<string> {
    const response = await this.send(method, path);
    if (!response.ok) throw await errorOf(response);
    return response.text();
  }

  private async send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const { url, token, fetch: own = fetch } = this.options;
    const headers: Record<string, string> = {
      accept: 'application/json, text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    try {
      return await own(url.replace(/\/$/, '') + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      throw new ApiError(
        'the service cannot be reached',
        0,
        'unreachable',
        { found: url, next: 'start headrace serve, or correct the address' },
        { cause: error },
      );
    }
  }
}

function queryOf(query: object): string {
  const given = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, string] => [name, String(value)]);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

async function errorOf(response: Response): Promise<ApiError> {
  const answer = (await response.json().catch(() => undefined)) as
    { error?: { code?: string; message?: string } } | undefined;
  const { code = 'unexpected', message = `the service answered ${response.status}`, ...detail } = answer?.error ?? {};
  return new ApiError(message, response.status, code, detail);
}
