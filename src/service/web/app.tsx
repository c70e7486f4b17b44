/** The frame: where one is, who one is, and the view of the address. */
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { overview, refreshOverview, role, signOut, trouble } from './session';
import { Alerts } from './views/alerts';
import { Catalogue } from './views/catalogue';
import { EditConnection, NewConnection } from './views/connection-form';
import { ConnectionPage } from './views/connection';
import { Connections } from './views/connections';
import { FirstRun } from './views/first-run';
import { Limits } from './views/limits';
import { Problems } from './views/problems';
import { RunPage } from './views/run';
import { Runs } from './views/runs';
import { Tokens } from './views/tokens';
import { Workers } from './views/workers';
import { Heading } from './parts';

const NAVIGATION: [path: string, title: string][] = [
  ['', 'Connections'],
  ['runs', 'Runs'],
  ['limits', 'Limits'],
  ['problems', 'Problems'],
  ['alerts', 'Alerts'],
  ['workers', 'Workers'],
];
const THEMES = ['auto', 'light', 'dark'] as const;
const THEME = 'headrace theme';

const path = () => location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);

function View({ parts: [first, second, third] }: { parts: string[] }) {
  switch (first) {
    case '':
      return <Connections />;
    case 'new':
      return second ? (
        <NewConnection key={`${second}/${third}`} connector={second} definition={third} />
      ) : (
        <Catalogue />
      );
    case 'connections':
      if (third === 'edit') return <EditConnection key={second} id={second!} />;
      return third === 'first' ? (
        <FirstRun key={second} id={second!} />
      ) : (
        <ConnectionPage key={second} id={second ?? ''} />
      );
    case 'runs':
      return second ? <RunPage key={second} id={second} /> : <Runs />;
    case 'limits':
      return <Limits />;
    case 'problems':
      return <Problems />;
    case 'alerts':
      return <Alerts />;
    case 'workers':
      return <Workers />;
    case 'tokens':
      return <Tokens />;
    default:
      return (
        <>
          <Heading>Nothing here</Heading>
          <p>
            There is no page of this name. <a href="#/">To the connections</a>
          </p>
        </>
      );
  }
}

function Navigation({ at }: { at: string }) {
  const problems = overview.value?.connections['failing'] ?? 0;
  return (
    <nav aria-label="Main">
      {NAVIGATION.map(([to, title]) => (
        <a
          key={to}
          href={`#/${to}`}
          aria-current={at === to || (to === '' && ['connections', 'new'].includes(at)) ? 'page' : undefined}
        >
          {title}
          {to === 'problems' && problems > 0 && (
            <span class="badge">
              {problems}
              <span class="hidden"> failing</span>
            </span>
          )}
        </a>
      ))}
      {role.value === 'admin' && (
        <a href="#/tokens" aria-current={at === 'tokens' ? 'page' : undefined}>
          Tokens
        </a>
      )}
    </nav>
  );
}

function ThemeChoice() {
  const [theme, setTheme] = useState(localStorage.getItem(THEME) ?? 'auto');
  useLayoutEffect(() => {
    document.documentElement.style.colorScheme = theme === 'auto' ? '' : theme;
    localStorage.setItem(THEME, theme);
  }, [theme]);
  return (
    <label>
      <span class="hidden">Theme</span>
      <select value={theme} onChange={(event) => setTheme(event.currentTarget.value)}>
        {THEMES.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Footer() {
  return (
    <footer>
      {overview.value && (
        <>
          Headrace {overview.value.version} · {overview.value.workers}{' '}
          {overview.value.workers === 1 ? 'worker' : 'workers'}, {overview.value.slots} slots · you may{' '}
          {role.value === 'read' ? 'read' : role.value === 'operate' ? 'operate' : 'do everything'} ·{' '}
          <a href="/api/v1/docs">API</a>
        </>
      )}
    </footer>
  );
}

export function App() {
  const [parts, setParts] = useState(path());
  useEffect(() => {
    const onHash = () => setParts(path());
    addEventListener('hashchange', onHash);
    void refreshOverview();
    const poll = setInterval(
      () => document.visibilityState === 'visible' && role.value !== null && void refreshOverview(),
      5_000,
    );
    return () => {
      removeEventListener('hashchange', onHash);
      clearInterval(poll);
    };
  }, []);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>('h1')?.focus())}
      >
        Skip to the content
      </a>
      <header>
        <a class="brand" href="#/">
          Headrace
        </a>
        {role.value && <Navigation at={parts[0]!} />}
        <span class="tools">
          <ThemeChoice />
          {role.value && (
            <button type="button" onClick={() => void signOut()}>
              Sign out
            </button>
          )}
        </span>
      </header>
      <p role="status" class={trouble.value === undefined ? 'hidden' : 'banner'}>
        {trouble.value === undefined ? '' : `The service does not answer: ${trouble.value}. Trying again…`}
      </p>
      <main id="main">
        {role.value === null || role.value === undefined ? (
          <p class="empty" aria-busy="true">
            {trouble.value === undefined ? 'Connecting…' : ''}
          </p>
        ) : (
          <View parts={parts} />
        )}
      </main>
      <Footer />
    </>
  );
}
