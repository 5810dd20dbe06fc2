import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    // The process that collects the results has little to do.
    maxWorkers: '100%',
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts', 'workers/**/*.ts'],
      // AssemblyScript, which no test can count.
      exclude: ['src/decoding/wasm/assembly/**'],
      reporter: ['text', 'text-summary'],
    },
  },
});
