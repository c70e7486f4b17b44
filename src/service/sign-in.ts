/**
 * The page that a browser without a session sees, with status 401: it exchanges a token, of the printed address or
 * typed, for a session's cookie. It stands alone, so that nothing else of the service is open.
 */
import { createHash } from 'node:crypto';
import type { Context } from 'hono';

/** The token leaves the address bar at once, and is kept nowhere. */
const SCRIPT = `
const said = document.getElementById('said');
const form = document.querySelector('form');
const enter = () => location.replace('/?signed-in' + (location.hash.startsWith('#/') ? location.hash : ''));
async function exchange(token) {
  const answer = await fetch('/api/v1/session', { method: 'POST', headers: { authorization: 'Bearer ' + token } }).catch(() => undefined);
  if (answer && answer.ok) return enter();
  said.textContent = answer ? answer.status === 401 ? 'This token is unknown or expired.' : 'The service refused: status ' + answer.status + '.' : 'The service does not answer.';
}
form.addEventListener('submit', (event) => {
  event.preventDefault();
  said.textContent = '';
  void exchange(form.elements.token.value.trim());
});
const carried = /^#token=(.+)$/.exec(location.hash);
if (carried) {
  history.replaceState(null, '', '/');
  void exchange(decodeURIComponent(carried[1]));
} else {
  // A browser that follows a link of another site sends no cookie with it; one that is signed in goes on.
  void fetch('/api/v1/overview').then((answer) => answer.ok && !location.search && enter(), () => {});
}
addEventListener('hashchange', () => location.hash.startsWith('#token=') && location.reload());
`;
const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 12vh auto; padding: 0 1rem; }
input, button { font: inherit; padding: 0.4rem 0.6rem; box-sizing: border-box; }
input { width: 100%; }
code { font-size: 0.9em; }
`;
const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in to Headrace</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Sign in</h1>
<form>
<p><label for="token">Token</label><br>
<input id="token" name="token" type="password" autocomplete="off" required aria-describedby="where"></p>
<p id="where"><code>headrace serve</code> prints an address that signs you in; on its machine, <code>headrace token show</code> prints the token.</p>
<p><button>Sign in</button></p>
<p id="said" role="alert"></p>
</form>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const POLICY = [
  `default-src 'none'`,
  `script-src ${hash(SCRIPT)}`,
  `style-src ${hash(STYLE)}`,
  `connect-src 'self'`,
  'img-src data:',
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

export function signInPage(context: Context): Response {
  context.header('Content-Security-Policy', POLICY);
  context.header('X-Content-Type-Options', 'nosniff');
  context.header('Referrer-Policy', 'no-referrer');
  context.header('Cache-Control', 'no-store');
  return context.html(PAGE, 401);
}
