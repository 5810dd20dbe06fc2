#!/usr/bin/env node
import { argv, stdout } from 'node:process';
import { toolVersion } from './result/version.ts';

// Loaded in a way that can fail: what Node.js says by itself has exit status 1, which means findings.
try {
  // What needs nothing else loads nothing else.
  if (argv.length === 3 && (argv[2] === '--version' || argv[2] === '-V')) {
    stdout.write(`${toolVersion()}\n`);
  } else {
    const { main } = await import('./cli/main.ts');
    await main(process);
  }
} catch (thrown) {
  process.stderr.write(`vtdscope: cannot be started: ${thrown}\n`);
  process.exitCode = 2;
}
