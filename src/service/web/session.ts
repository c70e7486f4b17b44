/** Who looks, and through which client: the token stays in this tab. */
import { signal } from '@preact/signals';
import { ApiError, HeadraceClient, type Overview } from '../client/index.js';

const KEY = 'headrace token';

export type Role = Overview['role'];

let token = sessionStorage.getItem(KEY) ?? undefined;
export let client = clientWith(token);

/** Undefined: not known yet. `null`: a token is wanted. */
export const role = signal<Role | null | undefined>(undefined);
export const overview = signal<Overview | undefined>(undefined);
/** Why the service does not answer; undefined: it does. */
export const trouble = signal<string | undefined>(undefined);

function clientWith(own: string | undefined): HeadraceClient {
  return new HeadraceClient({ url: location.origin, token: own });
}

export async function signIn(own: string | undefined): Promise<void> {
  token = own;
  client = clientWith(own);
  if (own === undefined) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, own);
  await refreshOverview();
}

export const hasToken = () => token !== undefined;

export async function refreshOverview(): Promise<void> {
  try {
    overview.value = await client.getOverview();
    role.value = overview.value.role;
    trouble.value = undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) role.value = null;
    else trouble.value = error instanceof Error ? error.message : String(error);
  }
}

const RANK: Role[] = ['read', 'operate', 'admin'];

/** Whether the role may do what this role may. Read in a component, it follows the session. */
export function may(wanted: Role): boolean {
  const own = role.value;
  return own !== undefined && own !== null && RANK.indexOf(own) >= RANK.indexOf(wanted);
}
