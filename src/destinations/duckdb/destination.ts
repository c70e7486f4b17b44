/** The destination `duckdb`: rows and state in one file. */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../../base/folder.js';
import { Engine, loadLibrary, resultOf } from '../../duckdb/engine.js';
import type { Destination } from '../contract.js';
import { DuckdbSession, nothingYet } from './session.js';

/** `file`: absolute path of the database. */
export function duckdbDestination(file: string, schema: string): Destination {
  return {
    description: `DuckDB file ${file}, schema ${schema}`,
    async check() {
      await loadLibrary();
      const isNew = !existsSync(file);
      makeFolder(path.dirname(file));
      const engine = await Engine.open(file);
      try {
        await engine.rows('create or replace temp table headrace_check (x integer)');
      } finally {
        await engine.close();
        // Nothing was stored: a check leaves nothing behind.
        if (isNew) rmSync(file, { force: true });
      }
    },
    open: (options) => DuckdbSession.open(file, schema, options),
    async query(sql, { write }) {
      await loadLibrary();
      if (!existsSync(file)) throw nothingYet(file);
      const engine = await Engine.open(file, { readOnly: !write });
      try {
        return await engine.inTurn((db) => resultOf(db, sql));
      } finally {
        await engine.close();
      }
    },
    close: async () => {},
  };
}
