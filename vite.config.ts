import path from 'node:path';
import { defineConfig } from 'vite';

/** The dashboard: src/service/web to dist/service/web. */
export default defineConfig({
  root: path.join(import.meta.dirname, 'src', 'service', 'web'),
  base: '/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: path.join(import.meta.dirname, 'dist', 'service', 'web'),
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  logLevel: 'warn',
});
