import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

// Tests import the workspace's TypeScript sources, never its build output.
const conditions = ['source', ...defaultServerConditions];

export default defineConfig({
  resolve: { conditions },
  // What is loaded by Node itself gets this one word more: with `import` too, a `require` would be handed ES modules.
  ssr: { resolve: { conditions, externalConditions: ['source'] } },
  test: {
    include: ['apps/*/src/**/*.test.ts', 'packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real processes on a machine that others use too: what fails by chance passes the second time and is named, what is
    // broken fails twice.
    retry: 1,
  },
});
