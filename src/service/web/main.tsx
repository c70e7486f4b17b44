/** The dashboard: what a service does, live. Everything it knows comes through the API. */
import { render } from 'preact';
import { App } from './app';

// What the page that signs in leaves in the address.
if (location.search !== '') history.replaceState(null, '', `/${location.hash}`);
render(<App />, document.getElementById('app')!);
