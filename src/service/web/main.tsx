/** The dashboard: what a service does, live. Everything it knows comes through the API. */
import { render } from 'preact';
import { App } from './app';

render(<App />, document.getElementById('app')!);
