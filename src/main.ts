#!/usr/bin/env node
/** CLI entry. */
import { main } from './cli/program.js';

await main(process.argv);
