/**
 * Intercom's API as its documentation has it (version 2.11): searches with cursors, conversations with their parts, the
 * scroll over companies that only one reader may hold, activity logs. Data is a pure function of the seed.
 */
import { hash32, hashString } from '../../base/random.js';
import type { TestbedAnswer, TestbedApi, TestbedRequest } from '../server.js';
import { HISTORY_SECONDS, Timeline, type Shape } from '../shapes.js';

export interface IntercomData {
  seed: number;
  shape: Shape;
  conversations: number;
  contacts: number;
  companies: number;
  tickets: number;
  activityLogs: number;
  /** Accepted access tokens. */
  tokens: string[];
  /** The unix second at which the history ends. */
  now: number;
  clock: () => number;
}

const MOST_PER_PAGE = 150;
const SCROLL_ROWS = 100;
/** A scroll that nobody asks for during this time is gone. */
const SCROLL_MS = 60_000;
const FIRST_ID = 200_000_000;
const SMALL = { admins: 7, tags: 40, teams: 5, segments: 12 };

type Json = Record<string, unknown>;

interface Scroll {
  token: string;
  at: number;
  usedMs: number;
}

interface Bounds {
  gte: number;
  lt: number;
}

export class IntercomApi implements TestbedApi {
  private readonly lines: Record<'conversations' | 'contacts' | 'tickets' | 'activity_logs' | 'companies', Timeline>;
  private scroll: Scroll | undefined;
  private scrolls = 0;
  /** Most scrolls that were asked for at the same time: more than one is a fault of the reader. */
  refusedScrolls = 0;
  /** How often each conversation was retrieved, where it is counted. */
  retrieved: Map<number, number> | undefined;

  constructor(readonly data: IntercomData) {
    const line = (name: string, rows: number) =>
      new Timeline(data.shape, rows, hashString(name, data.seed), data.now - HISTORY_SECONDS);
    this.lines = {
      conversations: line('conversations', data.conversations),
      contacts: line('contacts', data.contacts),
      tickets: line('tickets', data.tickets),
      activity_logs: line('activity_logs', data.activityLogs),
      companies: line('companies', data.companies),
    };
  }

  endpointOf(url: URL): string {
    return url.pathname.replace(/^\//, '').replaceAll(/\d{6,}/g, ':id');
  }

  answer(request: TestbedRequest): TestbedAnswer {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined || !this.data.tokens.includes(token))
      return error(401, 'unauthorized', 'Access Token Invalid');
    const path = request.url.pathname.replace(/^\/+|\/+$/g, '');
    const search = /^(conversations|contacts|tickets)\/search$/.exec(path);
    if (search && request.method === 'POST') return this.search(search[1] as 'conversations', request.body ?? '');
    const conversation = /^conversations\/(\d+)$/.exec(path);
    if (conversation) return this.conversation(Number(conversation[1]) - FIRST_ID);
    const segments = /^companies\/(\w+)\/segments$/.exec(path);
    if (segments) return this.companySegments(segments[1]!);
    switch (path) {
      case 'companies/scroll':
        return this.companies(request.url.searchParams.get('scroll_param'));
      case 'admins/activity_logs':
        return this.activityLogs(request.url);
      case 'admins':
        return ok({
          type: 'admin.list',
          admins: this.small('admin', SMALL.admins, (i) => ({
            name: `Admin ${i}`,
            email: `admin${i}@example.com`,
            away_mode_enabled: false,
          })),
        });
      case 'tags':
        return ok({ type: 'list', data: this.small('tag', SMALL.tags, (i) => ({ name: `tag-${i}` })) });
      case 'teams':
        return ok({
          type: 'team.list',
          teams: this.small('team', SMALL.teams, (i) => ({ name: `Team ${i}`, admin_ids: [i + 1] })),
        });
      case 'segments':
        return ok({
          type: 'segment.list',
          segments: this.small('segment', SMALL.segments, (i) => ({
            name: `Segment ${i}`,
            created_at: this.data.now - 1000 - i,
            updated_at: this.data.now - i,
          })),
        });
      case 'data_attributes':
        return ok({
          type: 'list',
          data: this.small('data_attribute', 20, (i) => ({
            name: `attribute_${i}`,
            model: request.url.searchParams.get('model'),
            data_type: 'string',
          })),
        });
      default:
        return error(404, 'not_found', `Resource Not Found: ${path}`);
    }
  }

  /** What conversation `index` holds; its id, time and parts. */
  conversationAt(index: number): { id: string; updatedAt: number; parts: Json[] } {
    const updatedAt = this.lines.conversations.secondOf(index);
    const id = String(FIRST_ID + index);
    const count = 1 + (hash32(index, this.data.seed) % 4);
    const parts = Array.from({ length: count }, (_, part) => ({
      type: 'conversation_part',
      id: `${id}${part}`,
      part_type: 'comment',
      body: `<p>Part ${part} of ${id}</p>`,
      created_at: updatedAt - 60 * (count - part),
      updated_at: updatedAt - 60 * (count - part),
      author: { type: 'user', id: `u${hash32(index, part) % 1000}` },
    }));
    return { id, updatedAt, parts };
  }

  private conversation(index: number): TestbedAnswer {
    if (!(index >= 0 && index < this.lines.conversations.rows)) return error(404, 'not_found', 'Resource Not Found');
    this.retrieved?.set(index, (this.retrieved.get(index) ?? 0) + 1);
    const { id, updatedAt, parts } = this.conversationAt(index);
    return ok({
      type: 'conversation',
      id,
      created_at: updatedAt - 600,
      updated_at: updatedAt,
      state: 'closed',
      conversation_parts: { type: 'conversation_part.list', conversation_parts: parts, total_count: parts.length },
    });
  }

  private search(name: 'conversations' | 'contacts' | 'tickets', body: string): TestbedAnswer {
    let query: Json;
    try {
      query = JSON.parse(body) as Json;
    } catch {
      return error(400, 'bad_request', 'the body is no JSON');
    }
    const bounds = boundsOf(query['query']);
    if (!bounds) return error(400, 'parameter_invalid', 'query is invalid');
    const { per_page: asked = 20, starting_after: after } = (query['pagination'] ?? {}) as {
      per_page?: number;
      starting_after?: string;
    };
    if (!Number.isInteger(asked) || asked < 1 || asked > MOST_PER_PAGE)
      return error(400, 'parameter_invalid', 'per_page is invalid');
    const ascending = (query['sort'] as { order?: string } | undefined)?.order === 'ascending';
    const line = this.lines[name];
    const from = line.countBefore(bounds.gte);
    const to = line.countBefore(bounds.lt);
    const total = Math.max(0, to - from);
    const done = after === undefined ? 0 : Number(Buffer.from(after, 'base64url').toString());
    if (!Number.isInteger(done) || done < 0) return error(400, 'parameter_invalid', 'starting_after is invalid');
    const rows: Json[] = [];
    for (let i = done; i < Math.min(total, done + asked); i++)
      rows.push(this.row(name, ascending ? from + i : to - 1 - i));
    const next =
      done + rows.length < total
        ? {
            page: Math.floor(done / asked) + 2,
            starting_after: Buffer.from(String(done + rows.length)).toString('base64url'),
          }
        : undefined;
    const pages = {
      type: 'pages',
      ...(next ? { next } : {}),
      page: Math.floor(done / asked) + 1,
      per_page: asked,
      total_pages: Math.ceil(total / asked),
    };
    return ok({
      type: `${name.slice(0, -1)}.list`,
      [name === 'contacts' ? 'data' : name]: rows,
      total_count: total,
      pages,
    });
  }

  private row(name: 'conversations' | 'contacts' | 'tickets', index: number): Json {
    const updatedAt = this.lines[name].secondOf(index);
    if (name === 'conversations')
      return {
        type: 'conversation',
        id: String(FIRST_ID + index),
        created_at: updatedAt - 600,
        updated_at: updatedAt,
        state: 'closed',
        open: false,
        read: true,
        priority: 'not_priority',
        title: `Conversation ${index}`,
        source: { type: 'conversation', id: String(index), body: '<p>Hello</p>' },
      };
    if (name === 'tickets')
      return {
        type: 'ticket',
        id: String(FIRST_ID + index),
        ticket_id: String(index),
        created_at: updatedAt - 600,
        updated_at: updatedAt,
        open: false,
      };
    return {
      type: 'contact',
      id: `c${index.toString(36).padStart(8, '0')}`,
      role: 'user',
      email: `user${index}@example.com`,
      name: `User ${index}`,
      created_at: updatedAt - 600,
      updated_at: updatedAt,
    };
  }

  private companies(param: string | null): TestbedAnswer {
    const now = this.data.clock();
    if (this.scroll && now - this.scroll.usedMs > SCROLL_MS) this.scroll = undefined;
    if (param === null) {
      if (this.scroll) {
        this.refusedScrolls++;
        return error(400, 'scroll_exists', 'scroll already exists for this workspace');
      }
      this.scroll = { token: `scroll${++this.scrolls}`, at: 0, usedMs: now };
    } else if (this.scroll?.token !== param) return error(500, 'server_error', 'scroll is not there any more');
    const scroll = this.scroll!;
    scroll.usedMs = now;
    const data: Json[] = [];
    for (; data.length < SCROLL_ROWS && scroll.at < this.lines.companies.rows; scroll.at++)
      data.push(this.company(scroll.at));
    const { token } = scroll;
    if (data.length === 0) this.scroll = undefined;
    return ok({ type: 'list', data, scroll_param: token, pages: null, total_count: null });
  }

  private company(index: number): Json {
    const updatedAt = this.lines.companies.secondOf(index);
    return {
      type: 'company',
      id: `co${index.toString(36).padStart(6, '0')}`,
      company_id: String(index),
      name: `Company ${index}`,
      created_at: updatedAt - 600,
      updated_at: updatedAt,
      user_count: hash32(index, 3) % 50,
    };
  }

  private companySegments(id: string): TestbedAnswer {
    const index = Number.parseInt(id.slice(2), 36);
    if (!(index >= 0 && index < this.lines.companies.rows)) return error(404, 'company_not_found', 'Company Not Found');
    return ok({
      type: 'list',
      data:
        index % 3 === 0
          ? [
              {
                type: 'segment',
                id: `${id}-s`,
                name: 'Active',
                created_at: this.data.now - 5000,
                updated_at: this.lines.companies.secondOf(index),
                person_type: 'user',
                count: null,
              },
            ]
          : [],
    });
  }

  private activityLogs(url: URL): TestbedAnswer {
    const gte = Number(url.searchParams.get('created_at_after') ?? 0);
    const last = Number(url.searchParams.get('created_at_before') ?? this.data.now);
    if (!Number.isFinite(gte) || !Number.isFinite(last))
      return error(400, 'parameter_invalid', 'created_at_after or created_at_before is invalid');
    const line = this.lines.activity_logs;
    const from = line.countBefore(gte);
    const to = line.countBefore(last + 1);
    const page = Number(url.searchParams.get('page') ?? 1);
    const rows: Json[] = [];
    for (let i = (page - 1) * 20; i < Math.min(page * 20, to - from); i++) {
      const index = to - 1 - i;
      rows.push({
        id: `log-${index}`,
        performed_by: { type: 'admin', id: '1' },
        metadata: {},
        created_at: line.secondOf(index),
        activity_type: 'admin_login_success',
      });
    }
    const more = page * 20 < to - from;
    const next = new URL(url.pathname + url.search, url.origin);
    next.searchParams.set('page', String(page + 1));
    return ok({
      type: 'activity_log.list',
      pages: {
        type: 'pages',
        next: more ? next.href : null,
        page,
        per_page: 20,
        total_pages: Math.ceil((to - from) / 20),
      },
      activity_logs: rows,
    });
  }

  private small(type: string, count: number, row: (index: number) => Json): Json[] {
    return Array.from({ length: count }, (_, i) => ({ type, id: String(1000 + i), ...row(i) }));
  }
}

/** The half-open range of `updated_at` that a query admits; undefined where it asks for anything else. */
function boundsOf(query: unknown): Bounds | undefined {
  const all: Bounds = { gte: -Infinity, lt: Infinity };
  if (query === undefined) return all;
  const { operator, value, field } = query as { operator?: string; value?: unknown; field?: string };
  if (Array.isArray(value)) {
    const parts = value.map(boundsOf);
    if (parts.some((part) => !part)) return undefined;
    const known = parts as Bounds[];
    if (operator === 'AND')
      return { gte: Math.max(...known.map((part) => part.gte)), lt: Math.min(...known.map((part) => part.lt)) };
    if (operator === 'OR')
      return { gte: Math.min(...known.map((part) => part.gte)), lt: Math.max(...known.map((part) => part.lt)) };
    return undefined;
  }
  const at = Number(value);
  if (field !== 'updated_at' || !Number.isInteger(at)) return undefined;
  switch (operator) {
    case '>':
      return { gte: at + 1, lt: Infinity };
    case '=':
      return { gte: at, lt: at + 1 };
    case '<':
      return { gte: -Infinity, lt: at };
    default:
      return undefined;
  }
}

function ok(body: Json): TestbedAnswer {
  return { status: 200, body: JSON.stringify(body) };
}

function error(status: number, code: string, message: string): TestbedAnswer {
  return { status, body: JSON.stringify({ type: 'error.list', request_id: 'testbed', errors: [{ code, message }] }) };
}
