/**
 * Twins of connectors that many people use, each against a server that answers as the vendor documents it. Long because
 * each vendor's answers stand beside what is expected of them.
 */
import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/sources/manifest/document/manifest.js';
import { coverageOf } from '../../src/sources/manifest/tools/coverage.js';
import { TWINS } from '../../src/sources/manifest/twins/registry.js';
import { api, connection } from '../manifest-reading.js';
import { manifestOf, Reply, streamOf, type Answer, type Row } from '../manifest-support.js';
import { custom, parentNamed, replaceExtractor, rowsOf } from '../twin-reading.js';

test('Looker: a token by the credentials of the client, which is sent under a word of its own', async () => {
  const { rows, asked } = await rowsOf({
    standsIn: true,
    config: { domain: 'looker.test', client_id: 'me', client_secret: 'hush & co' },
    streams: streamOf('users', {
      path: 'api/4.0/users',
      requester: `authenticator: ${custom('Authenticator', 'LookerAuthenticator')}`,
    }).replace('https://api.test', 'https://looker.test'),
    answer: ({ path, headers, body, method }) => {
      if (path === '/api/4.0/login')
        return method === 'POST' && body === 'client_id=me&client_secret=hush+%26+co'
          ? { access_token: 'tok', token_type: 'Bearer', expires_in: 3600 }
          : new Reply(404);
      return headers['authorization'] === 'token tok' ? { data: [{ id: 1 }] } : new Reply(401);
    },
  });
  expect(rows['users']).toEqual([{ id: 1 }]);
  expect(asked.filter((each) => each.includes('/login'))).toEqual(['POST /api/4.0/login']);
});

test('Salesloft: a refresh token is good for one use, and the next one is kept', async () => {
  const given = { client_id: 'me', client_secret: 'hush', refresh_token: 'r1', access_token: 'old' };
  let good = 'r1';
  const server = await api(({ path, headers, body }) => {
    if (path === '/oauth/token') {
      if (new URLSearchParams(body).get('refresh_token') !== good) return new Reply(400, { error: 'invalid_grant' });
      good = `r${Number(good.slice(1)) + 1}`;
      return { access_token: `tok-${good}`, refresh_token: good, expires_in: 7200 };
    }
    return headers['authorization'] === `Bearer tok-${good}` ? { data: [{ id: 1 }] } : new Reply(401);
  });
  const credentials = (name: string) => `"{{ config['credentials']['${name}'] }}"`;
  const auth = custom(
    'Authenticator',
    'SingleUseOauth2Authenticator',
    `client_id: ${credentials('client_id')}, client_secret: ${credentials('client_secret')}, refresh_token: ${credentials('refresh_token')}, token_refresh_endpoint: ${server.url}/oauth/token, grant_type: refresh_token, refresh_request_body: {}`,
  );
  const { sync } = connection({
    url: server.url,
    config: { credentials: { ...given, token_expiry_date: '2020-01-01T00:00:00Z' } },
    manifest: manifestOf(streamOf('users', { requester: `authenticator: ${auth}` })),
  });
  const first = await sync();
  expect(first.rows['users']).toEqual([{ id: 1 }]);
  expect(first.config['credentials']).toMatchObject({ refresh_token: 'r2', access_token: 'tok-r2' });
  const { summary } = await sync();
  expect(summary.problems).toEqual([]);
});

test('Outreach: attributes, and the ids of what is related', async () => {
  const { rows } = await rowsOf({
    name: 'outreach',
    streams: replaceExtractor(streamOf('accounts'), custom('RecordExtractor', 'CustomExtractor')),
    answer: () => ({
      data: [
        {
          type: 'account',
          id: 1,
          attributes: { name: 'Acme', id: 77 },
          relationships: {
            owner: { data: { type: 'user', id: 5 } },
            tags: { data: [{ id: 1 }, { id: 2 }] },
            creator: { data: null },
            tasks: { data: [] },
            batches: { links: { related: 'https://x' } },
          },
        },
        { type: 'account', id: 2, attributes: { name: 'Zeta' } },
      ],
    }),
  });
  expect(rows['accounts']).toEqual([
    { id: 1, name: 'Acme', owner: [5], tags: [1, 2] },
    { id: 2, name: 'Zeta' },
  ]);
});

test('PrestaShop: a date that is not set is none', async () => {
  const { rows } = await rowsOf({
    name: 'prestashop',
    streams: streamOf('orders', {
      rest: `transformations: [${custom('Transformation', 'CustomFieldTransformation')}]`,
    }).replace(
      'properties: {id:',
      'properties: {date_add: {type: [string, "null"], format: date-time}, birthday: {type: [string, "null"], format: date}, note: {type: [string, "null"]}, id:',
    ),
    answer: () => ({
      data: [
        { id: 1, date_add: '0000-00-00 00:00:00', birthday: '0000-00-00', note: '0000-00-00' },
        { id: 2, date_add: '2024-02-29 10:00:00', birthday: '1990-01-31', note: '' },
        { id: 3, date_add: '2023-02-29 10:00:00', birthday: '', note: null },
      ],
    }),
  });
  expect(rows['orders']).toEqual([
    { id: 1, date_add: null, birthday: null, note: '0000-00-00' },
    { id: 2, date_add: '2024-02-29 10:00:00', birthday: '1990-01-31', note: '' },
    { id: 3, date_add: null, birthday: '', note: null },
  ]);
});

describe('Google Analytics: names of columns in headers, and their values in rows', () => {
  const extractor = (kind: string) =>
    `{type: CustomRecordExtractor, class_name: x.KeyValueExtractor, keys_extractor: {type: DpathExtractor, field_path: [${kind}Headers, "*", name]}, values_extractor: {type: DpathExtractor, field_path: [rows, "*", ${kind}Values, "*", value]}}`;
  const both = `{type: CustomRecordExtractor, class_name: x.CombinedExtractor, extractors: [${extractor('metric')}, ${extractor('dimension')}]}`;
  const report = replaceExtractor(streamOf('report'), both).replace('  primary_key: id\n', '');
  const cells = (values: string[]) => values.map((value) => ({ value }));
  const answer = (dimensions: string[], rows: [string[], string[]][]) => ({
    dimensionHeaders: dimensions.map((name) => ({ name })),
    metricHeaders: [{ name: 'users' }, { name: 'sessions' }],
    ...(rows.length === 0
      ? {}
      : { rows: rows.map(([d, m]) => ({ dimensionValues: cells(d), metricValues: cells(m) })) }),
  });

  test.each<[string, unknown, Row[]]>([
    [
      'each row with all of its columns',
      answer(
        ['date', 'city'],
        [
          [
            ['20240101', 'Rome'],
            ['1', '2'],
          ],
          [
            ['20240102', ''],
            ['0', '4'],
          ],
        ],
      ),
      [
        { date: '20240101', city: 'Rome', users: '1', sessions: '2' },
        { date: '20240102', city: '', users: '0', sessions: '4' },
      ],
    ],
    ['a report without dimensions', answer([], [[[], ['1', '2']]]), [{ users: '1', sessions: '2' }]],
    ['no rows', answer(['date'], []), []],
  ])('%s', async (_, body, expected) => {
    const { rows } = await rowsOf({ name: 'google-analytics-data-api', streams: report, answer: () => body });
    expect(rows['report'] ?? []).toEqual(expected);
  });

  test('streams of a configuration get their name wherever the template has one', async () => {
    const { rows } = await rowsOf({
      config: { reports: [{ name: 'a' }, { name: 'b' }] },
      streams: streamOf('plain'),
      spec: `dynamic_streams:
  - type: DynamicDeclarativeStream
    stream_template:
${streamOf('placeholder').replace('- type', '  type').replaceAll(/^/gm, '    ')}
    components_resolver:
      type: ConfigComponentsResolver
      stream_config: {type: StreamConfig, configs_pointer: [reports]}
      components_mapping:
        - {type: ComponentMappingDefinition, field_path: ["**", name], value: "{{ components_values['name'] }}"}
        - {type: ComponentMappingDefinition, field_path: [retriever, requester, path], value: "{{ components_values['name'] }}"}
        - type: ComponentMappingDefinition
          field_path: [retriever, record_selector, record_filter]
          create_or_update: true
          value: "{{ '{condition: \\"{{ record.id > 1 }}\\"}' }}"
`,
      answer: ({ path }) => ({ data: [{ id: 1 }, { id: path === '/a' ? 2 : 3 }] }),
    });
    expect(rows).toEqual({ a: [{ id: 2 }], b: [{ id: 3 }], plain: [{ id: 1 }, { id: 3 }] });
  });
});

/** A child whose parts a class of Python makes from these parents. */
const childOf = (router: string, parents: string[], path: string) =>
  streamOf('children', {
    path,
    retriever: `partition_router:\n  type: CustomPartitionRouter\n  class_name: x.${router}\n  parent_stream_configs:\n${parents.map((parent) => `    - ${parent}\n`).join('')}`,
  });

describe('Trello', () => {
  const streams = childOf(
    'OrderIdsPartitionRouter',
    [parentNamed('boards', 'members/me/boards'), parentNamed('organizations', 'members/me/organizations')],
    'boards/{{ stream_partition.id }}/cards',
  );
  const answer: Answer = ({ path }) => {
    if (path === '/members/me/boards') return [{ id: 'b1' }, { id: 'b2' }];
    if (path === '/members/me/organizations')
      return [{ id: 'o1', idBoards: ['b2', 'b3'] }, { id: 'o2', idBoards: [] }, { id: 'o3' }];
    return { data: [{ id: Number(path.split('/')[2]!.slice(1)) }] };
  };
  test.each<[string, Row, string[]]>([
    ['boards of the member and of organizations, each once', {}, ['b1', 'b2', 'b3']],
    ['the same where the list is empty', { board_ids: [] }, ['b1', 'b2', 'b3']],
    ['those that are listed, each once', { board_ids: ['b9', 'b1', 'b9'] }, ['b1', 'b9']],
  ])('%s', async (_, config, boards) => {
    const { rows, asked } = await rowsOf({ name: 'trello', streams, config, answer });
    const read = asked.filter((each) => each.endsWith('/cards')).map((each) => each.split('/')[2]);
    expect(read.toSorted()).toEqual(boards);
    expect(rows['children']).toHaveLength(boards.length);
  });
});

describe('GitLab', () => {
  const answer: Answer = ({ path }) => {
    if (path === '/groups') return [{ id: 1 }, { id: 3 }];
    if (path === '/descendants') return [{ id: 7 }];
    return { data: [{ id: path.length * 100 + path.charCodeAt(path.length - 1) }] };
  };
  const partsRead = (asked: string[]) =>
    asked.flatMap((each) => (each.includes('/parts/') ? [each.split('/parts/')[1]!] : [])).toSorted();

  test.each<[string, Row, string[]]>([
    ['all groups that the token sees', {}, ['1', '3']],
    ['the same where the list is empty', { groups_list: [] }, ['1', '3']],
    ['listed ones, with those below them', { groups_list: ['g'] }, ['7']],
  ])('%s', async (_, config, groups) => {
    const { asked } = await rowsOf({
      name: 'gitlab',
      config,
      streams: childOf(
        'GroupStreamsPartitionRouter',
        [parentNamed('groups_list', 'groups'), parentNamed('include_descendant_groups', 'descendants')],
        'parts/{{ stream_partition.id }}',
      ),
      answer,
    });
    expect(partsRead(asked)).toEqual(groups);
  });

  const projects = (names: string[]) => names.map((path_with_namespace) => ({ path_with_namespace }));
  test.each<[string, Row, Row[], string[]]>([
    ['projects of the groups, each once', {}, [{ id: 1, projects: projects(['g/a', 'g/b']) }, { id: 2, projects: projects(['g/b']) }], ['g%2Fa', 'g%2Fb']], // prettier-ignore
    ['those of them that are listed', { projects_list: ['g/b', 'z/q'] }, [{ id: 1, projects: projects(['g/a', 'g/b']) }], ['g%2Fb']], // prettier-ignore
    ['what is listed where groups have no projects', { projects_list: ['z/q'] }, [{ id: 1, projects: [] }], ['z%2Fq']],
    ['nothing where what is listed is of none', { projects_list: ['z/q'] }, [{ id: 1, projects: projects(['g/a']) }], []], // prettier-ignore
    ['nothing where there is none', {}, [{ id: 1, projects: [] }], []],
  ])('%s', async (_, config, groups, expected) => {
    const { asked } = await rowsOf({
      name: 'gitlab',
      config,
      streams: childOf(
        'ProjectStreamsPartitionRouter',
        [parentNamed('groups', 'with_projects')],
        'parts/{{ stream_partition.id }}',
      ),
      answer: (request) => (request.path === '/with_projects' ? groups : answer(request)),
    });
    expect(partsRead(asked)).toEqual(expected);
  });
});

const klaviyoEvents = {
  data: [
    {
      id: 1,
      relationships: {
        metric: { data: { type: 'metric', id: 'M' } },
        attributions: {
          data: [
            { type: 'attribution', id: 'A' },
            { type: 'attribution', id: 'B' },
          ],
        },
      },
    },
    { id: 2, relationships: { metric: { data: null } } },
  ],
  included: [
    { type: 'metric', id: 'M', attributes: { name: 'Placed' }, relationships: { flow: 1 } },
    { type: 'attribution', id: 'A', attributes: { share: 0.5 } },
    { type: 'profile', id: 'M', attributes: { name: 'wrong' } },
  ],
};

describe('requests for a record', () => {
  test('Slack: a channel is joined before its messages are read, where that is asked for', async () => {
    const channels = `{type: ParentStreamConfig, parent_key: id, partition_field: channel, request_option: {type: RequestOption, field_name: channel, inject_into: request_parameter}, stream: {type: DeclarativeStream, name: channels, primary_key: id, schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {}}}, retriever: {type: CustomRetriever, class_name: source_slack.components.join_channels.ChannelsRetriever, partition_router: [], record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [channels]}, record_filter: {type: RecordFilter, condition: "{{ record.name != 'skip' }}"}}, requester: {type: HttpRequester, url_base: https://slack.com/api/, path: conversations.list}}}}`;
    const streams =
      replaceExtractor(
        streamOf('members', {
          path: 'api/conversations.members',
          retriever: `partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [${channels}]}`,
          rest: `transformations: [{type: AddFields, fields: [{path: [channel], value: "{{ stream_partition.channel }}"}]}]`,
        }).replace('primary_key: id', 'primary_key: [channel, member_id]'),
        custom('RecordExtractor', 'ChannelMembersExtractor', 'field_path: [members]'),
      ) +
      streamOf('messages', {
        path: 'api/conversations.history',
        retriever: `partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [${channels}]}`,
      });
    for (const isAsked of [true, false]) {
      const joined = new Set(['C1']);
      const { rows, asked } = await rowsOf({
        name: 'slack',
        standsIn: true,
        streams,
        config: { join_channels: isAsked, credentials: { api_token: 'xoxb' } },
        answer: ({ path, query, json, headers, method }) => {
          const channel = query['channel'] ?? '';
          if (path.endsWith('conversations.list'))
            return {
              channels: [
                { id: 'C1', is_member: true },
                { id: 'C2', is_member: false },
                { id: 'C3', name: 'skip' },
              ],
            };
          if (path.endsWith('conversations.join')) {
            if (method !== 'POST' || headers['authorization'] !== 'Bearer xoxb') return new Reply(403);
            joined.add(String(json['channel']));
            return { ok: true };
          }
          if (path.endsWith('conversations.members')) return { members: ['U1'] };
          return { data: joined.has(channel) ? [{ id: Number(channel.slice(1)) }] : [] };
        },
      });
      expect(rows['messages']!.map(({ id }) => id).toSorted()).toEqual(isAsked ? [1, 2] : [1]);
      expect(rows['members']).toHaveLength(2);
      expect(new Set(asked.filter((each) => each.includes('join'))).size).toBe(isAsked ? 1 : 0);
    }
  });

  test('Klaviyo: what is related is filled in; campaigns with their recipients and messages', async () => {
    let refused = 0;
    const { rows } = await rowsOf({
      name: 'klaviyo',
      standsIn: true,
      config: { api_key: 'key' },
      streams:
        replaceExtractor(
          streamOf('events', { path: 'api/events' }),
          custom('RecordExtractor', 'KlaviyoIncludedFieldExtractor', 'field_path: [data]'),
        ) +
        streamOf('campaigns', {
          path: 'api/campaigns',
          rest: `transformations: [{type: AddFields, fields: [{path: [first], value: a}]}, ${custom('Transformation', 'CampaignsDetailedTransformation')}, {type: AddFields, fields: [{path: [twice], value: "{{ record.estimated_recipient_count * 2 }}"}]}]`,
        }),
      answer: ({ path, headers }) => {
        if (path === '/api/events') return klaviyoEvents;
        if (path === '/api/campaigns') {
          const related = 'https://a.klaviyo.com/api/campaigns/1/campaign-messages/';
          return { data: [{ id: 1, relationships: { 'campaign-messages': { links: { related } } } }, { id: 2 }] };
        }
        if (headers['authorization'] !== 'Klaviyo-API-Key key' || headers['revision'] !== '2024-10-15')
          return new Reply(401);
        if (path === '/api/campaigns/1/campaign-messages/') return { data: [{ id: 'm1' }] };
        if (path.endsWith('/2')) return new Reply(404, { errors: [{ code: 'not_found' }] });
        if (refused++ === 0) return new Reply(429, {}, { 'retry-after': '0' });
        return { data: { attributes: { estimated_recipient_count: 21 } } };
      },
    });
    expect(rows['events']).toEqual([
      {
        id: 1,
        relationships: {
          metric: { data: { type: 'metric', id: 'M', name: 'Placed', relationships: { flow: 1 } } },
          attributions: {
            data: [
              { type: 'attribution', id: 'A', share: 0.5 },
              { type: 'attribution', id: 'B' },
            ],
          },
        },
      },
      { id: 2, relationships: { metric: { data: null } } },
    ]);
    expect(rows['campaigns']).toMatchObject([
      { id: 1, first: 'a', estimated_recipient_count: 21, campaign_messages: [{ id: 'm1' }], twice: 42 },
      { id: 2, first: 'a', estimated_recipient_count: 0, twice: 0 },
    ]);
    expect(rows['campaigns']![1]).not.toHaveProperty('campaign_messages');
  });

  test('a request for a record that fails costs its stream alone, and is named', async () => {
    const server = await api(({ path }) => (path.startsWith('/more') ? new Reply(403) : { data: [{ id: 1 }] }));
    const { sync } = connection({
      url: server.url,
      described: `version: 1
classes:
  More:
    steps:
      - ask:
          requester: {url_base: https://api.test, path: "more/{{ record.id }}"}
          merge: []
`,
      manifest: manifestOf(
        streamOf('plain') + streamOf('asking', { rest: `transformations: [${custom('Transformation', 'More')}]` }),
      ),
    });
    const { rows, summary } = await sync();
    expect(rows['plain']).toEqual([{ id: 1 }]);
    expect(rows['asking'] ?? []).toEqual([]);
    expect(summary.problems.map(({ stream }) => stream)).toEqual(['asking']);
  });
});

const linkedinCampaigns = {
  elements: [
    {
      id: 1,
      changeAuditStamps: { created: { time: 1629581275999 }, lastModified: { time: 1629664544760 } },
      targetingCriteria: {
        include: { and: [{ or: { 'urn:titles': ['a', 'b'] } }, { or: { 'urn:locations': [] } }] },
        exclude: { or: { 'urn:skills': ['c'], 'urn:one': { k: 1 } } },
      },
    },
    {
      id: 2,
      dateRange: { start: { year: 2021, month: 8, day: 3 }, end: { year: 2021, month: 12, day: 31 } },
      pivotValues: ['urn:li:a', 'urn:li:b'],
      pivot: 'CAMPAIGN',
      created: '2021-08-21 21:27:55',
    },
    { id: 3, variables: { data: { 'com.x.Ads': { share: 'urn', direct: 0, deep: { a: 'é' } } } } },
  ],
};

test('LinkedIn Ads: lists in parameters keep their brackets; stamps, ranges and facets become fields', async () => {
  const { rows, asked } = await rowsOf({
    streams: replaceExtractor(
      streamOf('campaigns', {
        requester: 'request_parameters: {search: "(status:(values:List(ACTIVE,PAUSED)))", q: "urn%3Ali a&b"}',
      }).replace(
        'requester:\n',
        'requester:\n      type: CustomRequester\n      class_name: x.SafeEncodeHttpRequester\n',
      ),
      custom('RecordExtractor', 'LinkedInAdsRecordExtractor'),
    ),
    answer: () => linkedinCampaigns,
  });
  expect(asked.at(-1)).toBe('GET /campaigns?search=(status:(values:List(ACTIVE,PAUSED)))&q=urn%3Ali+a%26b');
  expect(rows['campaigns']).toEqual([
    {
      id: 1,
      created: '2021-08-21T21:27:55+00:00',
      lastModified: '2021-08-22T20:35:44+00:00',
      targetingCriteria: {
        include: {
          and: [
            { type: 'urn:titles', values: ['a', 'b'] },
            { type: 'urn:locations', values: [] },
          ],
        },
        exclude: {
          or: [
            { type: 'urn:skills', values: ['c'] },
            { type: 'urn:one', values: [{ k: 1 }] },
          ],
        },
      },
    },
    {
      id: 2,
      start_date: '2021-08-03',
      end_date: '2021-12-31',
      pivotValues: ['urn:li:a', 'urn:li:b'],
      string_of_pivot_values: 'urn:li:a,urn:li:b',
      _pivot: 'CAMPAIGN',
      created: '2021-08-21T21:27:55+00:00',
    },
    {
      id: 3,
      variables: {
        type: 'com.x.Ads',
        values: [
          { key: 'share', value: '"urn"' },
          { key: 'direct', value: '0' },
          { key: 'deep', value: '{"a": "\\u00e9"}' },
        ],
      },
    },
  ]);
});

test('a class in a field that its component has not is not missed', () => {
  const stray = streamOf('a', { requester: 'error_handlers: {type: CustomErrorHandler}' });
  const held = streamOf('b', { requester: 'error_handler: {type: CustomErrorHandler, class_name: x.Nope}' });
  const manifest = parseManifest(manifestOf(stray + held), 'x.yaml');
  expect(coverageOf(manifest, {})).toEqual([
    { stream: 'a', problems: [] },
    { stream: 'b', problems: ['class Nope has no twin'] },
  ]);
});

describe('rows within rows', () => {
  const of = (name: string, twin: string, fields = '') =>
    replaceExtractor(streamOf(name), custom('RecordExtractor', twin, fields)).replace('  primary_key: id\n', '');

  test('Mailchimp: what a member did, with the member', async () => {
    const { rows } = await rowsOf({
      streams: of('activity', 'MailChimpRecordExtractorEmailActivity', 'field_path: [emails]'),
      answer: () => ({
        emails: [
          { email_id: 'a', list_id: 'l', activity: [{ action: 'open' }, { action: 'click', list_id: 'own' }] },
          { email_id: 'b', activity: [] },
          { email_id: 'c' },
        ],
      }),
    });
    expect(rows['activity']).toEqual([
      { email_id: 'a', list_id: 'l', action: 'open' },
      { email_id: 'a', list_id: 'own', action: 'click' },
    ]);
  });

  test('Zendesk Support: comments know their ticket; conditions of two lists', async () => {
    const { rows } = await rowsOf({
      streams:
        of('comments', 'ZendeskSupportExtractorEvents') +
        of('definitions', 'ZendeskSupportAttributeDefinitionsExtractor'),
      answer: ({ path }) =>
        path === '/definitions'
          ? { definitions: { conditions_all: [{ subject: 'a' }], conditions_any: [{ subject: 'b' }] } }
          : {
              ticket_events: [
                {
                  ticket_id: 7,
                  timestamp: 100,
                  via_reference_id: null,
                  child_events: [
                    { id: 1, event_type: 'Comment', via: { channel: 'web' }, timestamp: 1 },
                    { id: 2, event_type: 'Change' },
                    { id: 3, event_type: 'Comment', via: 'Web form' },
                  ],
                },
                { ticket_id: 8 },
              ],
            },
    });
    expect(rows['comments']).toEqual([
      { id: 1, event_type: 'Comment', via: { channel: 'web' }, ticket_id: 7, timestamp: 100, via_reference_id: null },
      { id: 3, event_type: 'Comment', via: null, ticket_id: 7, timestamp: 100, via_reference_id: null },
    ]);
    expect(rows['definitions']).toEqual([
      { subject: 'a', condition: 'all' },
      { subject: 'b', condition: 'any' },
    ]);
  });

  test('Iterable: what is of the kind of an event lies apart', async () => {
    const { rows } = await rowsOf({
      name: 'iterable',
      streams: of('events', 'EventsRecordExtractor', 'field_path: []').replace(
        'retriever:\n',
        'retriever:\n    decoder: {type: JsonlDecoder}\n',
      ),
      answer: () =>
        new Reply(
          200,
          '{"_type":"open","createdAt":"x","email":"a@b.c","itblInternal":{"k":1},"campaignId":5}\n{"_type":"click"}',
        ),
    });
    expect(rows['events']).toEqual([
      { _type: 'open', createdAt: 'x', email: 'a@b.c', itblInternal: { k: 1 }, data: { campaignId: 5 } },
      { _type: 'click', createdAt: null, email: null, itblInternal: null, data: {} },
    ]);
  });

  test('Google Search Console: keys by their dimensions, and the schema of a report', async () => {
    const { rows } = await rowsOf({
      name: 'google-search-console',
      streams: streamOf('report', {
        rest: `transformations: [${custom('Transformation', 'CustomReportExtractDimensionsFromKeys', 'dimensions: [date, country]')}]`,
      })
        .replace('  primary_key: id\n', '')
        .replace(
          /schema_loader: .*/,
          `schema_loader: ${custom('SchemaLoader', 'CustomReportSchemaLoader', 'dimensions: [date, country]')}`,
        ),
      answer: () => ({ data: [{ keys: ['2024-01-01', 'ita'], clicks: 3, ctr: 0.5 }] }),
    });
    expect(rows['report']).toEqual([{ date: '2024-01-01', country: 'ita', clicks: 3, ctr: 0.5 }]);
    const { schema } = TWINS['source-google-search-console/CustomReportSchemaLoader']!;
    const properties = schema!({ dimensions: ['date', 'page'] }, {})['properties'] as Record<string, Row>;
    expect(properties['date']).toEqual({ type: ['null', 'string'], format: 'date' });
    expect(Object.keys(properties)).toEqual(['clicks', 'ctr', 'impressions', 'position', 'search_type', 'site_url', 'date', 'page']); // prettier-ignore
  });
});
