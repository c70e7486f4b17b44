/** headrace token */
import { openCoordination, type CoordinationFlags } from '../../wiring/compose-scheduler.js';
import { ROLES, TokenStore, type Role } from '../../service/tokens.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { json, note, table, out } from '../terminal/output.js';
import { systemClock } from '../../base/clock.js';

type Flags = CoordinationFlags & { json?: boolean };

const DAY_MS = 86_400_000;

export async function create([name]: [string], flags: Flags & { role: string; expiresIn?: number }): Promise<number> {
  if (!(ROLES as readonly string[]).includes(flags.role))
    throw new ConfigError(`there is no role ${flags.role}`, {
      code: 'unknown_role',
      place: '--role',
      expected: ROLES.join(', '),
      found: flags.role,
    });
  return opened(flags, async (tokens) => {
    const { token, ...made } = await tokens.create(
      name,
      flags.role as Role,
      flags.expiresIn === undefined ? undefined : new Date(systemClock.now() + flags.expiresIn * DAY_MS),
    );
    // The one place where a secret is printed: it was asked for, and cannot be had again.
    process.stdout.write(flags.json ? `${JSON.stringify({ type: 'token', ...made, token })}\n` : `${token}\n`);
    if (!flags.json) note(`token ${made.id} of ${name}, role ${made.role}; it is not shown again`);
  });
}

export async function list(_: unknown[], flags: Flags): Promise<number> {
  return opened(flags, async (tokens) => {
    const all = await tokens.list();
    if (flags.json) for (const token of all) json({ type: 'token', ...token });
    else if (all.length === 0) note('No tokens yet: headrace token create NAME --role read');
    else
      out(
        table(
          ['id', 'name', 'role', 'made', 'expires', 'last used'],
          all.map((token) => [
            token.id,
            token.name,
            token.role,
            token.createdAt,
            token.expiresAt ?? 'never',
            token.lastUsedAt ?? 'never',
          ]),
        ),
      );
  });
}

export async function revoke([id]: [string], flags: Flags): Promise<number> {
  return opened(flags, async (tokens) => {
    if (!(await tokens.revoke(id)))
      throw new ConfigError('there is no such token', {
        code: 'unknown_token',
        place: 'id',
        found: id,
        next: 'see headrace token list',
      });
    if (flags.json) json({ type: 'revoked', id });
    else out(`token ${id} is revoked`);
  });
}

async function opened(flags: Flags, work: (tokens: TokenStore) => Promise<void>): Promise<number> {
  const coordination = await openCoordination(flags, process.env);
  try {
    await work(new TokenStore(coordination.scheduler.pool));
    return EXIT.complete;
  } finally {
    await coordination.close();
  }
}
