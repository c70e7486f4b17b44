/**
 * Twins of classes of usual shapes, described as `components.headrace.yaml` does. Each follows what the vendor
 * documents of the API, which is named beside it. Where a name says nothing of its connector, the connector goes before
 * it: another's class of that name may do something else.
 */
import type { Twins } from '../runtime/twin.js';
import { declared } from './declared.js';
import type { DeclaredClass } from './declared-schema.js';

const PARENTS = ['parent_stream_configs'];

/** Children of what the configuration lists, else of all that the API has. */
const listedOrAll = (setting: string, field: string): DeclaredClass => ({
  choose: [
    {
      when: `{{ config.get('${setting}') }}`,
      use: {
        is: 'ListPartitionRouter',
        without: PARENTS,
        with: { cursor_field: field, values: `{{ config['${setting}'] }}` },
      },
    },
    { use: { is: 'SubstreamPartitionRouter' } },
  ],
});

/** Requests for one object: what is not there tells nothing. */
const KLAVIYO = {
  type: 'HttpRequester',
  url_base: 'https://a.klaviyo.com/api/',
  request_headers: { Accept: 'application/json', Revision: '2024-10-15' },
  authenticator: {
    type: 'ApiKeyAuthenticator',
    api_token: "Klaviyo-API-Key {{ config['api_key'] }}",
    inject_into: { type: 'RequestOption', inject_into: 'header', field_name: 'Authorization' },
  },
  error_handler: {
    type: 'DefaultErrorHandler',
    backoff_strategies: [{ type: 'WaitTimeFromHeader', header: 'Retry-After', max_waiting_time_in_seconds: 600 }],
    response_filters: [{ type: 'HttpResponseFilter', http_codes: [404], action: 'IGNORE' }],
  },
};

export const DESCRIBED: Record<string, DeclaredClass> = {
  // developers.zoom.us, server-to-server OAuth: a token of an hour for the account's own credentials.
  ServerToServerOauthAuthenticator: {
    login: {
      url: { from: 'authorization_endpoint' },
      basic: { username: { from: 'client_id' }, password: { from: 'client_secret' } },
      form: {
        grant_type: { from: 'grant_type', otherwise: 'account_credentials' },
        account_id: { from: 'account_id' },
      },
      token: ['access_token'],
      expires_in: ['expires_in'],
    },
  },
  // developers.asana.com, input/output options: what is not named in opt_fields comes as a compact record.
  AsanaHttpRequester: {
    is: 'HttpRequester',
    defaults: { path: "{{ parameters['path'] }}" },
    with: { request_parameters: { opt_fields: { schema_fields: ',' } } },
  },
  // apidocs.chargebee.com, custom fields: attributes of the resource that begin with cf_.
  'source-chargebee/CustomFieldTransformation': { steps: [{ collect: { prefix: 'cf_', into: 'custom_fields' } }] },
  // developers.pipedrive.com, recents: each item holds what changed in `data`, null where it was deleted.
  'source-pipedrive/NullCheckedDpathExtractor': {
    records: { unwrap: { from: 'nullable_nested_field' }, if_null: 'parent' },
  },
  // developer.typeform.com, authentication: a personal token, or OAuth 2.
  TypeformAuthenticator: {
    choose: [
      { when: "{{ config['credentials'].get('auth_type') == 'oauth2.0' }}", use: { component: 'oauth2' } },
      { use: { component: 'token_auth' } },
    ],
  },
  FormIdPartitionRouter: listedOrAll('form_ids', 'form_id'),
  SurveyIdPartitionRouter: listedOrAll('survey_ids', 'survey_id'),
  // developer.xero.com, requests and responses: dates are JSON dates of .NET, in UTC.
  'source-xero/CustomExtractor': { records: { dates: { fields: 'all', form: 'dotnet' } } },
  // developers.pinterest.com, authentication: the client's own credentials as a Basic header.
  PinterestOauthAuthenticator: {
    is: 'OAuthAuthenticator',
    with: {
      refresh_request_headers: {
        Authorization:
          "Basic {{ (config.get('credentials', {}).get('client_id', config.get('client_id', '')) ~ ':' ~ config.get('credentials', {}).get('client_secret', config.get('client_secret', ''))) | base64encode }}",
      },
    },
  },
  // The same, ad accounts: a list in items, or the one that was asked for.
  AdAccountRecordExtractor: { records: { paths: [['items'], []] } },
  RechargeDateTimeBasedCursor: { is: 'DatetimeBasedCursor' },
  // braze.com/docs, export endpoints: days before ending_at, which is `length`; events are names alone.
  'source-braze/DatetimeIncrementalSyncComponent': {
    is: 'DatetimeBasedCursor',
    with: { length_option: { from: 'step_option' } },
  },
  'source-braze/EventsRecordExtractor': { records: { as: 'event_name' } },
  // developers.notion.com: properties by their names, and who a bot belongs to.
  NotionPropertiesTransformation: { steps: [{ collect: { field: 'properties', into: 'properties' } }] },
  NotionUserTransformation: { steps: [{ move: { from: ['bot', 'owner', 'user'], to: ['bot', 'owner', 'info'] } }] },
  NotionDataFeedFilter: { keep: "{{ record.get('last_edited_time', '') >= (config.get('start_date') or '') }}" },
  // developer.zendesk.com, talk: a token or OAuth; menus lie in IVRs, and routes in menus.
  ZendeskTalkAuthenticator: {
    choose: [
      {
        when: "{{ config.get('credentials', {}).get('auth_type') == 'oauth2_refresh' }}",
        use: { component: 'oauth_refresh' },
      },
      { when: "{{ config.get('credentials', {}).get('auth_type') == 'oauth2.0' }}", use: { component: 'oauth' } },
      { when: "{{ config.get('credentials') }}", use: { component: 'basic_auth' } },
      { use: { component: 'legacy_basic_auth' } },
    ],
  },
  IVRMenusRecordExtractor: {
    records: { paths: [['ivrs']], inside: [{ field: 'menus', add: { ivr_id: '{{ parent.id }}' } }] },
  },
  IVRRoutesRecordExtractor: {
    records: {
      paths: [['ivrs']],
      inside: [
        { field: 'menus', add: { ivr_id: '{{ parent.id }}' } },
        { field: 'routes', add: { ivr_menu_id: '{{ parent.id }}' } },
      ],
    },
  },
  // developer.paypal.com, authentication: a token of some hours for the client's own credentials.
  PayPalOauth2Authenticator: {
    login: {
      url: { from: 'token_refresh_endpoint' },
      basic: { username: { from: 'client_id' }, password: { from: 'client_secret' } },
      form: { grant_type: { from: 'grant_type', otherwise: 'client_credentials' } },
      token: ['access_token'],
      expires_in: ['expires_in'],
    },
  },
  // developer.zendesk.com, security: an API token with an e-mail, or OAuth.
  AuthenticatorZendeskSunshine: {
    choose: [
      {
        when: "{{ config.get('credentials', {}).get('auth_method') == 'oauth2.0' }}",
        use: { component: 'oauth2' },
      },
      { use: { component: 'basic_auth' } },
    ],
  },
  // docs.commercetools.com, authorization: client credentials for one project.
  CommerceToolsOauth2Authenticator: {
    login: {
      url: { from: 'token_refresh_endpoint' },
      basic: { username: { from: 'client_id' }, password: { from: 'client_secret' } },
      form: {
        grant_type: { from: 'grant_type', otherwise: 'client_credentials' },
        scope: "manage_project:{{ config['project_key'] }}",
      },
      token: ['access_token'],
      expires_in: ['expires_in'],
    },
  },
  // developer.bigcommerce.com, orders V2: dates as in mails (RFC 2822).
  'source-bigcommerce/DateTimeTransformer': {
    steps: [{ dates: { fields: 'all', form: '%a, %d %b %Y %H:%M:%S %z' } }],
  },
  // alphavantage.co: series as mappings of a date to its values.
  'source-alpha-vantage/ObjectDpathExtractor': {
    records: { entries: true, key: { from: 'inject_key_as_field', otherwise: '' } },
  },
  'source-apify-dataset/WrappingDpathExtractor': { records: { as: 'data' } },
  // developer.zendesk.com, chat bans: those of visitors and those of addresses, in a list each.
  ZendeskChatBansRecordExtractor: { records: { paths: [['ip_address'], ['visitor']], all: true } },
  // getpocket.com/developer: items by their ids.
  PocketExtractor: { records: { paths: [['list']], entries: true } },
  // open-platform.theguardian.com: the answer tells which page it is, and how many there are.
  'source-the-guardian-api/CustomPageIncrement': {
    is: 'CursorPagination',
    with: {
      cursor_value: "{{ response['response']['currentPage'] + 1 }}",
      stop_condition: "{{ response['response']['currentPage'] >= response['response']['pages'] }}",
    },
  },
  // api2.myhours.com: a login with e-mail and password.
  'source-my-hours/CustomAuthenticator': {
    login: {
      url: 'https://api2.myhours.com/api/tokens/login',
      json: { grantType: 'password', clientId: 'api', email: { from: 'email' }, password: { from: 'password' } },
      token: ['accessToken'],
      expires_in: ['expiresIn'],
    },
  },
  // docs.railz.ai: a token of an hour for the client's own credentials.
  'source-railz/ShortLivedTokenAuthenticator': {
    login: {
      url: { from: 'url' },
      method: 'GET',
      basic: { username: { from: 'client_id' }, password: { from: 'secret_key' } },
      token: ['access_token'],
      lasts: 'PT55M',
    },
  },
  // apidocs.fastbill.com: e-mail and API key as a Basic header.
  'source-fastbill/CustomAuthenticator': { is: 'BasicHttpAuthenticator' },
  // docs.cloud.google.com/looker, API 4.0, login: a token of an hour for the client's own credentials.
  LookerAuthenticator: {
    login: {
      url: "https://{{ config['domain'] }}/api/4.0/login",
      form: { client_id: "{{ config['client_id'] }}", client_secret: "{{ config['client_secret'] }}" },
      token: ['access_token'],
      expires_in: ['expires_in'],
      send: { header: 'Authorization', value: 'token {{ session_token }}' },
    },
  },
  // developers.outreach.io, JSON:API: attributes, and the ids of what is related.
  'source-outreach/CustomExtractor': {
    records: { paths: [['data']], unwrap: 'attributes', add: { id: '{{ record.id }}' }, relations: 'relationships' },
  },
  // developers.salesloft.com, OAuth: a refresh token is good for one use.
  SingleUseOauth2Authenticator: {
    is: 'OAuthAuthenticator',
    with: {
      refresh_token_updater: {
        refresh_token_config_path: ['credentials', 'refresh_token'],
        access_token_config_path: ['credentials', 'access_token'],
        token_expiry_date_config_path: ['credentials', 'token_expiry_date'],
      },
    },
  },
  // devdocs.prestashop-project.org: a date that is not set is written 0000-00-00.
  'source-prestashop/CustomFieldTransformation': { steps: [{ drop: 'bad_dates' }] },
  // developers.google.com/analytics, runReport: names of columns in headers, their values in rows.
  'source-google-analytics-data-api/CombinedExtractor': { is: 'CombinedExtractor', with: { mode: 'side_by_side' } },
  'source-google-analytics-data-api/KeyValueExtractor': { is: 'KeyValueExtractor' },
  // developer.atlassian.com/cloud/trello: the boards of a member, and those of its organizations.
  OrderIdsPartitionRouter: {
    choose: [
      {
        when: "{{ config.get('board_ids') }}",
        use: {
          is: 'ListPartitionRouter',
          without: PARENTS,
          with: { cursor_field: 'id', values: "{{ config['board_ids'] | unique | list }}" },
        },
      },
      { use: { parents: { from: [{ of: 'boards' }, { of: 'organizations', each: ['idBoards'] }] } } },
    ],
  },
  // docs.gitlab.com/api/groups: groups that are listed with those below them, else all that the token sees.
  'source-gitlab/GroupStreamsPartitionRouter': {
    choose: [
      {
        when: "{{ config.get('groups_list') }}",
        use: { parents: { from: [{ of: 'include_descendant_groups' }] } },
      },
      { use: { parents: { from: [{ of: 'groups_list' }] } } },
    ],
  },
  // docs.gitlab.com/api/projects: a project goes by its path, encoded; of groups, those that are listed.
  'source-gitlab/ProjectStreamsPartitionRouter': {
    parents: {
      from: [{ each: ['projects', '*', 'path_with_namespace'], value: "{{ item | replace('/', '%2F') }}" }],
      keep: "{{ not config.get('projects_list') or stream_partition['id'] | replace('%2F', '/') in config['projects_list'] }}",
      otherwise: "{{ (config.get('projects_list') or []) | map('replace', '/', '%2F') | list }}",
    },
  },
  // docs.slack.dev, conversations.members: names of members alone.
  'source-slack/ChannelMembersExtractor': { records: { as: 'member_id' } },
  // The same, conversations.join: messages are told only to who is in a channel, so the app joins it where that is asked.
  'source-slack/ChannelsRetriever': {
    is: 'SimpleRetriever',
    without: ['partition_router'],
    prepare: [
      {
        ask: {
          if: "{{ config.get('join_channels') and not record.get('is_member') }}",
          requester: {
            type: 'HttpRequester',
            url_base: 'https://slack.com/api/',
            path: 'conversations.join',
            http_method: 'POST',
            request_body_json: { channel: '{{ record.id }}' },
            authenticator: {
              type: 'BearerAuthenticator',
              api_token: "{{ config['credentials'].get('api_token') or config['credentials'].get('access_token') }}",
            },
          },
        },
      },
    ],
  },
  // developers.klaviyo.com, JSON:API: what is related comes along in included.
  KlaviyoIncludedFieldExtractor: { records: { included: 'included' } },
  // The same, campaigns: an estimate of recipients and the messages, each by a request for a campaign.
  'source-klaviyo/CampaignsDetailedTransformation': {
    steps: [
      {
        ask: {
          requester: { ...KLAVIYO, path: 'campaign-recipient-estimations/{{ record.id }}' },
          add: {
            estimated_recipient_count:
              "{{ response.get('data', {}).get('attributes', {}).get('estimated_recipient_count', 0) }}",
          },
        },
      },
      {
        ask: {
          if: "{{ record.get('relationships', {}).get('campaign-messages', {}).get('links', {}).get('related') }}",
          requester: { ...KLAVIYO, path: "{{ record['relationships']['campaign-messages']['links']['related'] }}" },
          add: { campaign_messages: "{{ response.get('data') }}" },
        },
      },
    ],
  },
  // learn.microsoft.com/linkedin, protocol 2.0: lists and records in parameters keep their brackets and commas.
  SafeEncodeHttpRequester: { is: 'HttpRequester', with: { unescaped: '():,%' } },
  LinkedInAdsErrorHandler: { is: 'DefaultErrorHandler' },
  // mailchimp.com/developer, email activity: what a member did lies in a list in the member.
  MailChimpRecordExtractorEmailActivity: { records: { inside: [{ field: 'activity', whole: true }] } },
  'source-gong/IncrementalSingleBodyFilterCursor': { is: 'DatetimeBasedCursor' },
  KlaviyoErrorHandler: { is: 'DefaultErrorHandler' },
};

export const described: Twins = Object.fromEntries(
  Object.entries(DESCRIBED).map(([name, known]) => [name, declared(known)]),
);
