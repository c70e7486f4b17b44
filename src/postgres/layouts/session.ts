/** Sessions of browsers, in which a token is not kept: digests alone. */
export const SESSION_LAYOUT = `
create table _headrace.session (digest bytea primary key, token_digest bytea not null, expires_at timestamptz not null);
create index session_expires on _headrace.session (expires_at);
`;
