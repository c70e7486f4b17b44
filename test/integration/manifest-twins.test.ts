/**
 * Twins: described ones beside a manifest, and those that come with Headrace, each against a server that answers as the
 * vendor documents it. Long because each vendor's answers stand beside what is expected of them.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, describe, test } from 'vitest';
import { api, connection } from '../manifest-reading.js';
import { manifestOf, Reply, streamOf, type Answer } from '../manifest-support.js';
import { custom, replaceExtractor, rowsOf } from '../twin-reading.js';

describe('twins that come with Headrace', () => {
  test('Zoom: a token of an hour by the credentials of the account', async () => {
    const { rows, asked } = await rowsOf({
      config: { client_id: 'me', client_secret: 'hush', account_id: 'acc' },
      streams: streamOf('users', {
        requester: `authenticator: ${custom('Authenticator', 'ServerToServerOauthAuthenticator', `client_id: "{{ config['client_id'] }}", client_secret: "{{ config['client_secret'] }}", account_id: "{{ config['account_id'] }}", authorization_endpoint: https://api.test/oauth/token, grant_type: account_credentials`)}`,
      }),
      answer: ({ path, headers, body, method }) => {
        if (path === '/oauth/token') {
          const isRight =
            method === 'POST' &&
            headers['authorization'] === `Basic ${Buffer.from('me:hush').toString('base64')}` &&
            body === 'grant_type=account_credentials&account_id=acc';
          return isRight ? { access_token: 'tok', token_type: 'bearer', expires_in: 3600 } : new Reply(400, { body });
        }
        return headers['authorization'] === 'Bearer tok' ? { data: [{ id: 1 }] } : new Reply(401);
      },
    });
    expect(rows['users']).toEqual([{ id: 1 }]);
    expect(asked.filter((each) => each.includes('/oauth/token'))).toHaveLength(1);
  });

  test('Asana: all fields of the schema are asked for, nested ones with dots', async () => {
    const stream = streamOf('tasks', { rest: '$parameters: {path: tasks}' })
      .replace(
        'properties: {id: {type: [integer, "null"]}}',
        'properties: {id: {type: integer}, name: {type: string}, assignee: {type: object, properties: {gid: {type: string}, name: {type: string}}}, tags: {type: array, items: {type: object, properties: {gid: {type: string}}}}}',
      )
      .replace(
        'requester:\n      url_base: https://api.test\n      path: "tasks"',
        'requester:\n      type: CustomRequester\n      class_name: source_asana.components.AsanaHttpRequester\n      url_base: https://api.test',
      );
    const { rows, asked } = await rowsOf({
      streams: stream,
      answer: ({ query }) => ({ data: query['opt_fields']?.includes('assignee.gid') ? [{ id: 1, name: 'a' }] : [] }),
    });
    expect(rows['tasks']).toEqual([{ id: 1, name: 'a' }]);
    expect(asked.at(-1)).toBe('GET /tasks?opt_fields=id%2Cname%2Cassignee.gid%2Cassignee.name%2Ctags.gid');
  });

  test('Chargebee: fields of the user as a list', async () => {
    const { rows } = await rowsOf({
      name: 'chargebee',
      streams: streamOf('customers', {
        rest: `transformations: [${custom('Transformation', 'CustomFieldTransformation')}]`,
      }),
      answer: () => ({ data: [{ id: 1, cf_tier: 'gold', cf_seats: 4 }, { id: 2 }] }),
    });
    expect(rows['customers']).toEqual([
      {
        id: 1,
        custom_fields: [
          { name: 'cf_tier', value: 'gold' },
          { name: 'cf_seats', value: 4 },
        ],
      },
      { id: 2, custom_fields: [] },
    ]);
  });

  test('Pipedrive: what changed lies in data, which is null where it was deleted', async () => {
    const { rows } = await rowsOf({
      name: 'pipedrive',
      streams: replaceExtractor(
        streamOf('deals'),
        custom('RecordExtractor', 'NullCheckedDpathExtractor', 'field_path: [data, "*"], nullable_nested_field: data'),
      ),
      answer: () => ({
        success: true,
        data: [
          { item: 'deal', id: 1, data: { id: 1, title: 'a' } },
          { item: 'deal', id: 2, data: null },
        ],
      }),
    });
    expect(rows['deals']).toEqual([
      { id: 1, title: 'a' },
      { item: 'deal', id: 2, data: null },
    ]);
  });

  describe('Typeform', () => {
    const auth = custom(
      'Authenticator',
      'TypeformAuthenticator',
      `token_auth: {type: BearerAuthenticator, api_token: "{{ config['credentials']['access_token'] }}"}, oauth2: {type: OAuthAuthenticator, token_refresh_endpoint: https://api.test/oauth/token, client_id: "{{ config['credentials']['client_id'] }}", client_secret: "{{ config['credentials']['client_secret'] }}", refresh_token: "{{ config['credentials']['refresh_token'] }}"}`,
    );
    const forms = streamOf('forms', { requester: `authenticator: ${auth}` });
    const responses = streamOf('responses', {
      path: '/forms/{{ stream_partition.form_id }}/responses',
      requester: `authenticator: ${auth}`,
      retriever: `partition_router:\n  type: CustomPartitionRouter\n  class_name: x.FormIdPartitionRouter\n  parent_stream_configs:\n    - type: ParentStreamConfig\n      parent_key: id\n      partition_field: form_id\n      stream:\n${forms.replace(/^- /, '  ').replaceAll(/^/gm, '      ')}`,
    });
    const answer: Answer = ({ path, headers, body }) => {
      if (path === '/oauth/token')
        return body?.includes('refresh_token=again') ? { access_token: 'fresh', expires_in: 604_800 } : new Reply(400);
      if (!['Bearer personal', 'Bearer fresh'].includes(headers['authorization'] ?? '')) return new Reply(401);
      return path === '/forms' ? { data: [{ id: 1 }, { id: 2 }] } : { data: [{ id: Number(path.split('/')[2]) * 10 }] };
    };
    test('a personal token, and the responses of all forms', async () => {
      const { rows } = await rowsOf({
        streams: forms + responses,
        answer,
        config: { credentials: { auth_type: 'access_token', access_token: 'personal' } },
      });
      expect(rows['responses']!.map(({ id }) => id).toSorted()).toEqual([10, 20]);
    });
    test('OAuth, and the responses of the forms that are listed', async () => {
      const credentials = { auth_type: 'oauth2.0', client_id: 'a', client_secret: 'b', refresh_token: 'again' };
      const { rows, asked } = await rowsOf({ streams: responses, answer, config: { credentials, form_ids: ['2'] } });
      expect(rows['responses']).toEqual([{ id: 20 }]);
      expect(asked).not.toContain('GET /forms/1/responses');
    });
  });

  test('Xero: dates of .NET, at any depth', async () => {
    const { rows } = await rowsOf({
      name: 'xero',
      streams: replaceExtractor(
        streamOf('contacts'),
        custom('RecordExtractor', 'CustomExtractor', 'field_path: [Contacts]'),
      ),
      answer: () => ({
        Contacts: [
          {
            id: 1,
            UpdatedDateUTC: '/Date(1518685950940+0000)/',
            Lines: [{ Date: '/Date(-86400000)/', Text: 'Date(1)' }],
          },
        ],
      }),
    });
    expect(rows['contacts']).toEqual([
      {
        id: 1,
        UpdatedDateUTC: '2018-02-15T09:12:30.940+00:00',
        Lines: [{ Date: '1969-12-31T00:00:00+00:00', Text: 'Date(1)' }],
      },
    ]);
  });

  test('Pinterest: tokens are refreshed with a Basic header; one account or a list of them', async () => {
    const auth = custom(
      'Authenticator',
      'PinterestOauthAuthenticator',
      `client_id: "{{ config['client_id'] }}", client_secret: "{{ config['client_secret'] }}", refresh_token: "{{ config['refresh_token'] }}", token_refresh_endpoint: https://api.test/v5/oauth/token`,
    );
    const extractor = custom('RecordExtractor', 'AdAccountRecordExtractor');
    const bodies: string[] = [];
    const { rows } = await rowsOf({
      config: { client_id: 'me', client_secret: 'hush', refresh_token: 'again' },
      streams: [
        streamOf('accounts', { requester: `authenticator: ${auth}` }),
        streamOf('one', { requester: `authenticator: ${auth}` }),
      ]
        .map((each) => replaceExtractor(each, extractor))
        .join(''),
      answer: ({ path, headers, body }) => {
        if (path === '/v5/oauth/token') {
          bodies.push(body ?? '');
          return headers['authorization'] === `Basic ${Buffer.from('me:hush').toString('base64')}`
            ? { access_token: 'tok', expires_in: 2_592_000 }
            : new Reply(401);
        }
        if (headers['authorization'] !== 'Bearer tok') return new Reply(401);
        return path === '/one' ? { id: 7, name: 'one' } : { items: [{ id: 1 }, { id: 2 }], bookmark: null };
      },
    });
    expect(rows).toEqual({ accounts: [{ id: 1 }, { id: 2 }], one: [{ id: 7, name: 'one' }] });
    expect(bodies[0]).toContain('refresh_token=again');
    expect(bodies[0]).not.toContain('hush');
  });

  test('Zendesk Talk: menus know their IVR, and routes their menu as well', async () => {
    const auth = custom(
      'Authenticator',
      'ZendeskTalkAuthenticator',
      `basic_auth: {type: BasicHttpAuthenticator, username: "{{ config['credentials']['email'] }}/token", password: "{{ config['credentials']['api_token'] }}"}, oauth: {type: BearerAuthenticator, api_token: "{{ config['credentials']['access_token'] }}"}`,
    );
    const of = (name: string, twin: string) =>
      replaceExtractor(
        streamOf(name, { path: 'ivr', requester: `authenticator: ${auth}` }),
        custom('RecordExtractor', twin),
      );
    const known = {
      [`Basic ${Buffer.from('a@b.c/token:hush').toString('base64')}`]: { email: 'a@b.c', api_token: 'hush' },
      'Bearer tok': { auth_type: 'oauth2.0', access_token: 'tok' },
    };
    for (const [header, credentials] of Object.entries(known)) {
      const { rows } = await rowsOf({
        config: { credentials },
        streams: of('menus', 'IVRMenusRecordExtractor') + of('routes', 'IVRRoutesRecordExtractor'),
        answer: ({ headers }) =>
          headers['authorization'] === header
            ? {
                ivrs: [
                  {
                    id: 1,
                    menus: [
                      { id: 10, routes: [{ id: 100 }, { id: 101 }] },
                      { id: 11, routes: null },
                    ],
                  },
                  { id: 2 },
                ],
              }
            : new Reply(401),
      });
      expect(rows['menus']!.map(({ id, ivr_id: ivr }) => [id, ivr])).toEqual([
        [10, 1],
        [11, 1],
      ]);
      expect(rows['routes']).toEqual([
        { id: 100, ivr_id: 1, ivr_menu_id: 10 },
        { id: 101, ivr_id: 1, ivr_menu_id: 10 },
      ]);
    }
  });

  test('PayPal: a token for the credentials of the client, and another once it is refused', async () => {
    let tokens = 0;
    const auth = custom(
      'Authenticator',
      'PayPalOauth2Authenticator',
      `client_id: "{{ config['client_id'] }}", client_secret: "{{ config['client_secret'] }}", token_refresh_endpoint: https://api.test/v1/oauth2/token, grant_type: client_credentials`,
    );
    const { rows } = await rowsOf({
      config: { client_id: 'me', client_secret: 'hush' },
      streams: streamOf('products', {
        requester: `authenticator: ${auth}`,
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement, page_size: 1, start_from_page: 1}}',
      }),
      answer: ({ path: at, headers, body, query }) => {
        if (at === '/v1/oauth2/token')
          return headers['authorization'] === `Basic ${Buffer.from('me:hush').toString('base64')}` &&
            body === 'grant_type=client_credentials'
            ? { access_token: `tok${++tokens}`, expires_in: 32_400 }
            : new Reply(401);
        const page = Number(query['page'] ?? 1);
        // The first token ends before its time.
        if (headers['authorization'] !== `Bearer tok${tokens}` || (page > 1 && tokens === 1)) return new Reply(401);
        return { data: page <= 3 ? [{ id: page }] : [] };
      },
    });
    expect(rows['products']!.map(({ id }) => id).toSorted()).toEqual([1, 2, 3]);
    expect(tokens).toBe(2);
  });

  test('Commercetools, Zendesk Sunshine, BigCommerce: log-ins, and dates of mails', async () => {
    const shop = custom(
      'Authenticator',
      'CommerceToolsOauth2Authenticator',
      `client_id: "{{ config['client_id'] }}", client_secret: "{{ config['client_secret'] }}", token_refresh_endpoint: https://api.test/oauth/token`,
    );
    const sunshine = custom(
      'Authenticator',
      'AuthenticatorZendeskSunshine',
      `basic_auth: {type: BasicHttpAuthenticator, username: a, password: b}, oauth2: {type: BearerAuthenticator, api_token: "{{ config['credentials']['access_token'] }}"}`,
    );
    const { rows } = await rowsOf({
      name: 'bigcommerce',
      config: {
        client_id: 'me',
        client_secret: 'hush',
        project_key: 'shop',
        credentials: { auth_method: 'oauth2.0', access_token: 'long' },
      },
      streams:
        streamOf('customers', { requester: `authenticator: ${shop}` }) +
        streamOf('types', { requester: `authenticator: ${sunshine}` }) +
        streamOf('orders', { rest: `transformations: [${custom('Transformation', 'DateTimeTransformer')}]` }),
      answer: ({ path: at, headers, body }) => {
        if (at === '/oauth/token')
          return body === 'grant_type=client_credentials&scope=manage_project%3Ashop' &&
            headers['authorization'] === `Basic ${Buffer.from('me:hush').toString('base64')}`
            ? { access_token: 'tok', expires_in: 172_800 }
            : new Reply(401);
        if (at === '/orders')
          return { data: [{ id: 3, date_modified: 'Tue, 20 Nov 2012 01:02:03 +0000', note: 'Tue' }] };
        const wanted = at === '/types' ? 'Bearer long' : 'Bearer tok';
        return headers['authorization'] === wanted ? { data: [{ id: 1 }] } : new Reply(401);
      },
    });
    expect(rows).toEqual({
      customers: [{ id: 1 }],
      types: [{ id: 1 }],
      orders: [{ id: 3, date_modified: '2012-11-20T01:02:03+00:00', note: 'Tue' }],
    });
  });

  test('Recharge: rows since a start', async () => {
    const { rows, asked } = await rowsOf({
      config: { start_date: '2024-01-01T00:00:00Z' },
      streams: streamOf('orders', {
        rest: `incremental_sync: ${custom('IncrementalSync', 'RechargeDateTimeBasedCursor', `cursor_field: updated_at, cursor_datetime_formats: ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"], datetime_format: "%Y-%m-%dT%H:%M:%S%z", start_datetime: {type: MinMaxDatetime, datetime: "{{ config['start_date'] }}", datetime_format: "%Y-%m-%dT%H:%M:%SZ"}, start_time_option: {type: RequestOption, field_name: updated_at_min, inject_into: request_parameter}`)}`,
      }),
      answer: () => ({ data: [{ id: 1, updated_at: '2024-02-01T00:00:00' }] }),
    });
    expect(rows['orders']).toEqual([{ id: 1, updated_at: '2024-02-01T00:00:00' }]);
    expect(asked.every((each) => each.includes('updated_at_min='))).toBe(true);
  });

  test('Braze: windows by their end and their days; events are names', async () => {
    const { rows, asked } = await rowsOf({
      name: 'braze',
      config: { start_date: '2024-01-01' },
      streams:
        streamOf('series', {
          rest: `incremental_sync: ${custom('IncrementalSync', 'DatetimeIncrementalSyncComponent', `cursor_field: time, datetime_format: "%Y-%m-%d", cursor_granularity: P1D, step: P14D, start_datetime: {type: MinMaxDatetime, datetime: "{{ config['start_date'] }}", datetime_format: "%Y-%m-%d"}, end_datetime: {type: MinMaxDatetime, datetime: "2024-01-29", datetime_format: "%Y-%m-%d"}, end_time_option: {type: RequestOption, field_name: ending_at, inject_into: request_parameter}, step_option: {field_name: length, inject_into: request_parameter}`)}`,
        }) +
        replaceExtractor(
          streamOf('events'),
          custom('RecordExtractor', 'EventsRecordExtractor', 'field_path: [events]'),
        ).replace('primary_key: id', 'primary_key: event_name'),
      answer: ({ path, query }) => {
        if (path === '/events') return { message: 'success', events: ['bought', 'left'] };
        const end = Date.parse(query['ending_at']!);
        return {
          data: Array.from({ length: Number(query['length']) }, (_, i) =>
            new Date(end - i * 86_400_000).toISOString().slice(0, 10),
          ).map((time) => ({ id: Date.parse(time) / 86_400_000, time })),
        };
      },
    });
    expect(rows['events']).toEqual([{ event_name: 'bought' }, { event_name: 'left' }]);
    const days = new Set(rows['series']!.map(({ time }) => time));
    for (let day = 1; day <= 28; day++) expect(days).toContain(`2024-01-${String(day).padStart(2, '0')}`);
    expect(asked.some((each) => each.includes('length=14'))).toBe(true);
  });

  test('Notion: properties as a list, the owner of a bot, and nothing from before the start', async () => {
    const { rows } = await rowsOf({
      config: { start_date: '2024-01-01T00:00:00.000Z' },
      streams:
        streamOf('databases', {
          selector: `record_filter: ${custom('RecordFilter', 'NotionDataFeedFilter')}`,
          rest: `transformations: [${custom('Transformation', 'NotionPropertiesTransformation')}]`,
        }) + streamOf('users', { rest: `transformations: [${custom('Transformation', 'NotionUserTransformation')}]` }),
      answer: ({ path }) =>
        path === '/users'
          ? {
              data: [
                { id: 1, type: 'bot', bot: { owner: { type: 'user', user: { id: 'u', object: 'user' } } } },
                { id: 2, type: 'bot', bot: { owner: { type: 'workspace', workspace: true } } },
                { id: 3, type: 'person', person: { email: 'a@b.c' } },
              ],
            }
          : {
              data: [
                {
                  id: 1,
                  last_edited_time: '2024-03-01T00:00:00.000Z',
                  properties: { Done: { id: 'x', type: 'checkbox' } },
                },
                { id: 2, last_edited_time: '2023-03-01T00:00:00.000Z', properties: {} },
              ],
            },
    });
    expect(rows['databases']).toEqual([
      {
        id: 1,
        last_edited_time: '2024-03-01T00:00:00.000Z',
        properties: [{ name: 'Done', value: { id: 'x', type: 'checkbox' } }],
      },
    ]);
    expect(rows['users']!.map(({ bot }) => bot ?? null)).toEqual([
      { owner: { type: 'user', info: { id: 'u', object: 'user' } } },
      { owner: { type: 'workspace', workspace: true } },
      null,
    ]);
  });

  test('Amplitude: columns become rows', async () => {
    const { rows } = await rowsOf({
      name: 'amplitude',
      streams:
        [
          ['active', 'ActiveUsersRecordExtractor'],
          ['length', 'AverageSessionLengthRecordExtractor'],
        ]
          .map(([name, twin]) =>
            replaceExtractor(streamOf(name!), custom('RecordExtractor', twin!)).replace(
              'primary_key: id',
              'primary_key: date',
            ),
          )
          .join('') +
        streamOf('events', { rest: `transformations: [${custom('Transformation', 'TransformDatetimesToRFC3339')}]` }),
      answer: ({ path }) =>
        path === '/events'
          ? { data: [{ id: 1, event_time: '2024-01-31 10:20:30.123456', city: 'Rome', day: '2024-01-31' }] }
          : path === '/active'
            ? {
                data: {
                  series: [
                    [9, 8],
                    [1, 2],
                  ],
                  seriesMeta: ['France', 'Japan'],
                  xValues: ['2024-01-01', '2024-01-02'],
                },
              }
            : {
                data: {
                  series: [[1204.5, 60]],
                  seriesMeta: [{ segmentIndex: 0 }],
                  xValues: ['2024-01-01', '2024-01-02'],
                },
              },
    });
    expect(rows).toEqual({
      active: [
        { date: '2024-01-01', statistics: { France: 9, Japan: 1 } },
        { date: '2024-01-02', statistics: { France: 8, Japan: 2 } },
      ],
      events: [{ id: 1, event_time: '2024-01-31T10:20:30.123456+00:00', city: 'Rome', day: '2024-01-31' }],
      length: [
        { date: '2024-01-01', length: 1204.5 },
        { date: '2024-01-02', length: 60 },
      ],
    });
  });

  test('Alpha Vantage, Apify, Pocket, Zendesk Chat: mappings, values, and two lists', async () => {
    const of = (name: string, twin: string, fields = '') =>
      replaceExtractor(streamOf(name), custom('RecordExtractor', twin, fields));
    const { rows } = await rowsOf({
      name: 'alpha-vantage',
      streams:
        of('prices', 'ObjectDpathExtractor', 'field_path: [Daily], inject_key_as_field: date').replace(
          'primary_key: id',
          'primary_key: date',
        ) +
        of('pocket', 'PocketExtractor') +
        of('bans', 'ZendeskChatBansRecordExtractor'),
      answer: ({ path }) =>
        path === '/prices'
          ? { Daily: { '2024-01-01': { open: '1' }, '2024-01-02': { open: '2' } } }
          : path === '/pocket'
            ? { list: { a: { id: 1 }, b: { id: 2 } } }
            : { ip_address: [{ id: 1, ip_address: '1.2.3.4' }], visitor: [{ id: 2, visitor_id: 'v' }] },
    });
    expect(rows).toEqual({
      prices: [
        { date: '2024-01-01', open: '1' },
        { date: '2024-01-02', open: '2' },
      ],
      pocket: [{ id: 1 }, { id: 2 }],
      bans: [
        { id: 1, ip_address: '1.2.3.4' },
        { id: 2, visitor_id: 'v' },
      ],
    });
  });
});

test('a class of the same name in another connector is not taken for the known one', async () => {
  const server = await api(() => ({ events: ['a'], data: [{ id: 1 }] }));
  const { sync } = connection({
    url: server.url,
    name: 'other',
    manifest: manifestOf(
      streamOf('plain') +
        replaceExtractor(
          streamOf('events'),
          custom('RecordExtractor', 'EventsRecordExtractor', 'field_path: [events]'),
        ),
    ),
  });
  const { rows, summary } = await sync();
  expect(rows).toEqual({ plain: [{ id: 1 }] });
  expect(summary.problems.map(({ stream, message }) => `${stream}: ${message}`)).toEqual([
    expect.stringContaining('events: stream events cannot be read: the class EventsRecordExtractor has no twin'),
  ]);
});

describe('components.headrace.yaml', () => {
  test('describes a login, a requester, an extractor, a filter and a transformation', async () => {
    const { rows, asked } = await rowsOf({
      config: { user: 'ann', password: 'hush', region: 'eu' },
      described: `version: 1
classes:
  Login:
    login:
      url: {from: login_url}
      json: {user: {from: user}, password: {from: password}}
      token: [session, token]
      lasts: PT1H
      send: {header: X-Session, value: "S {{ session_token }}"}
  Address:
    is: HttpRequester
    raw_query: true
    with: {path: "{{ config['region'] }}/items"}
  WithParent:
    records:
      paths: [[result, items], [items]]
      add: {account: "{{ response.account.id }}", size: "{{ record.tags | length }}"}
  Live: {keep: "{{ record.live }}"}
  Tidy:
    steps:
      - drop: empty
      - dates: {fields: [made], form: epoch}
      - {type: RemoveFields, field_pointers: [[live]]}
`,
      streams: replaceExtractor(
        streamOf('items', {
          requester: `authenticator: ${custom('Authenticator', 'Login', `login_url: https://api.test/login, user: "{{ config['user'] }}", password: "{{ config['password'] }}"`)}\nrequest_parameters: {q: "(a:List(1,2))"}`,
          selector: `record_filter: ${custom('RecordFilter', 'Live')}`,
          rest: `transformations: [${custom('Transformation', 'Tidy')}]`,
        }).replace('requester:\n', 'requester:\n      type: CustomRequester\n      class_name: x.Address\n'),
        custom('RecordExtractor', 'WithParent'),
      ),
      answer: ({ path, headers, json }) => {
        if (path === '/login')
          return json['user'] === 'ann' && json['password'] === 'hush' ? { session: { token: 't1' } } : new Reply(403);
        if (headers['x-session'] !== 'S t1') return new Reply(401);
        return {
          account: { id: 'acme' },
          items: [
            { id: 1, live: true, made: 86_400, note: '', tags: ['a', 'b'] },
            { id: 2, live: false, tags: [] },
          ],
        };
      },
    });
    expect(rows['items']).toEqual([
      { id: 1, made: '1970-01-02T00:00:00+00:00', tags: ['a', 'b'], account: 'acme', size: 2 },
    ]);
    expect(asked.at(-1)).toBe('GET /eu/items?q=(a:List(1,2))');
    expect(asked.filter((each) => each.endsWith('/login'))).toHaveLength(1);
  });

  test.each([
    ['what no mapping holds', "{{ ''.__class__.__mro__ }}"],
    ['a list without end', '{{ range(10 ** 12) | list | length }}'],
    ['a text without end', "{{ 'x' * 10 ** 10 }}"],
    ['a module', "{{ self._TemplateReference__context }}{{ cycler.__init__.__globals__.os.popen('id').read() }}"],
  ])('a template that asks for %s reaches nothing, and costs its stream alone', async (_, template) => {
    const server = await api(() => ({ data: [{ id: 1 }] }));
    const { sync } = connection({
      url: server.url,
      described: `version: 1\nclasses:\n  Odd: {records: {paths: [[data]], add: {x: ${JSON.stringify(template)}}}}`,
      manifest: manifestOf(
        streamOf('b') + replaceExtractor(streamOf('a'), custom('RecordExtractor', 'Odd', 'field_path: [data]')),
      ),
    });
    const { rows, summary } = await sync();
    expect(rows['b']).toEqual([{ id: 1 }]);
    const told = JSON.stringify([rows['a'] ?? [], summary.problems]);
    expect(told).not.toMatch(/uid=|<class|function|TypeError|at .*\.ts/);
    for (const row of rows['a'] ?? []) expect([undefined, null, '']).toContain(row['x']);
    if (!rows['a']?.length) expect(summary.problems.map(({ stream }) => stream)).toEqual(['a']);
  });

  test('a field that the component lacks is named, and costs its stream alone', async () => {
    const server = await api(() => ({ data: [{ id: 1 }] }));
    const { sync } = connection({
      url: server.url,
      described: 'version: 1\nclasses:\n  Key: {is: BearerAuthenticator, with: {api_token: {from: secret_key}}}',
      manifest: manifestOf(
        streamOf('b') + streamOf('a', { requester: `authenticator: ${custom('Authenticator', 'Key', 'key: x')}` }),
      ),
    });
    const { rows, summary } = await sync();
    expect(rows['b']).toEqual([{ id: 1 }]);
    expect(JSON.stringify(summary)).toContain('secret_key');
  });
});

test('the example of the guide runs', async () => {
  const guide = readFileSync(path.join(import.meta.dirname, '../../docs/guides/twins.md'), 'utf8');
  const block = (name: string) => new RegExp(`\`\`\`yml\\n# ${name}\\n([\\s\\S]*?)\`\`\``).exec(guide)![1]!;
  const server = await api(({ path: at, headers, json }) => {
    if (at === '/login')
      return json['user'] === 'ann' && json['password'] === 'hush'
        ? { session: { token: 't1', seconds: 600 } }
        : new Reply(403);
    if (at !== '/eu/tickets' || headers['x-session'] !== 't1') return new Reply(401);
    return { account: { id: 'acme' }, tickets: { 'A-1': { id: 1 }, 'A-2': { id: 2 } } };
  });
  const { sync } = connection({
    manifest: block('manifest.yaml').replace('https://desk.example', server.url),
    described: block('components.headrace.yaml').replace('https://desk.example', server.url),
    config: { user: 'ann', password: 'hush', region: 'eu' },
  });
  const { rows, summary } = await sync();
  expect(summary.problems).toEqual([]);
  expect(rows['tickets']).toEqual([
    { id: 1, number: 'A-1', account: 'acme' },
    { id: 2, number: 'A-2', account: 'acme' },
  ]);
});
