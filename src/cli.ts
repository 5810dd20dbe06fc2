#!/usr/bin/env node
// Loaded in a way that can fail: what Node.js says by itself has exit status 1, which means findings.
try {
  const { main } = await import('./cli/main.ts');
  await main(process);
} catch (thrown) {
  process.stderr.write(`vtdscope: cannot be started: ${thrown}\n`);
  process.exitCode = 2;
}
