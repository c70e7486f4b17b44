/** Who looks, and through which client: the session's cookie is the browser's, no script of this page can read it. */
import { signal } from '@preact/signals';
import { ApiError, HeadraceClient, type Overview } from '../client/index.js';

export type Role = Overview['role'];

export const client = new HeadraceClient({ url: location.origin });

/** Undefined: not known yet. `null`: the session is over. */
export const role = signal<Role | null | undefined>(undefined);
export const overview = signal<Overview | undefined>(undefined);
/** Why the service does not answer; undefined: it does. */
export const trouble = signal<string | undefined>(undefined);

export async function signOut(): Promise<void> {
  await client.endSession().catch(() => {});
  signInAgain();
}

/** The service answers with the page that asks for a token; where one was stays in the address. */
function signInAgain(): void {
  role.value = null;
  location.reload();
}

export async function refreshOverview(): Promise<void> {
  try {
    overview.value = await client.getOverview();
    role.value = overview.value.role;
    trouble.value = undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) signInAgain();
    else trouble.value = error instanceof Error ? error.message : String(error);
  }
}

const RANK: Role[] = ['read', 'operate', 'admin'];

/** Whether the role may do what this role may. Read in a component, it follows the session. */
export function may(wanted: Role): boolean {
  const own = role.value;
  return own !== undefined && own !== null && RANK.indexOf(own) >= RANK.indexOf(wanted);
}
