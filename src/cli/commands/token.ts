/** headrace token */
import { dataDirOf } from '../../wiring/compose.js';
import { openCoordination, readFile, type CoordinationFlags } from '../../wiring/compose-scheduler.js';
import { findOwnToken, ownTokenFile } from '../../service/own-token.js';
import { ROLES, TokenStore, type Role } from '../../service/tokens.js';
import { LIMITS } from '../../base/bounds.js';
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
  if (name.trim() === '' || name.length > LIMITS.tokenNameLength)
    throw new ConfigError('the token has no name', {
      code: 'bad_token_name',
      place: 'NAME',
      expected: `who it is for, in 1 to ${LIMITS.tokenNameLength} characters`,
      found: `${name.length} characters`,
      next: 'give it a name that tells who has it',
    });
  const { expiresIn } = flags;
  if (expiresIn !== undefined && (expiresIn < 1 || expiresIn > LIMITS.tokenDays))
    throw new ConfigError('a token cannot expire then', {
      code: 'bad_expiry',
      place: '--expires-in',
      expected: `1 to ${LIMITS.tokenDays} days`,
      found: String(expiresIn),
    });
  return opened(flags, async (tokens) => {
    const { token, ...made } = await tokens.create(
      name,
      flags.role as Role,
      expiresIn === undefined ? undefined : new Date(systemClock.now() + expiresIn * DAY_MS),
    );
    // The one place where a secret is printed: it was asked for, and cannot be had again.
    process.stdout.write(flags.json ? `${JSON.stringify({ type: 'token', ...made, token })}\n` : `${token}\n`);
    if (!flags.json) note(`token ${made.id} of ${name}, role ${made.role}; it is not shown again`);
  });
}

/** The machine's own: it takes who may read the data folder, and neither a server nor a database. */
export async function show(_: unknown[], flags: Flags): Promise<number> {
  const dataDir = dataDirOf(flags, process.env, readFile(flags, process.env));
  const token = findOwnToken(dataDir, process.env);
  if (token === undefined)
    throw new ConfigError('this machine has no token yet', {
      code: 'no_token',
      place: ownTokenFile(dataDir),
      expected: 'the file that the first headrace serve makes, or HEADRACE_TOKEN',
      found: 'neither',
      next: 'start headrace serve here, or name its data folder with --data-dir',
    });
  // Asked for: who reads the file can read it here.
  process.stdout.write(flags.json ? `${JSON.stringify({ type: 'token', role: 'admin', token })}\n` : `${token}\n`);
  return EXIT.complete;
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
