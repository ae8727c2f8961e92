import { availableParallelism } from 'node:os';
import { defaultServerConditions } from 'vite';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

// Tests import the workspace's TypeScript sources, never its build output.
const conditions = ['source', ...defaultServerConditions];

/** Files that change the process they run in: its environment, or the tracing of all that it has loaded. */
const CHANGE_THE_PROCESS = ['test/integration/start-tracing.test.ts', 'test/integration/tracing.test.ts'];

/** Whole systems first: theirs are the longest files, and the last one would run alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]): ReturnType<BaseSequencer['sort']> {
    const { whole = [], part = [] } = Object.groupBy(await super.sort(files), ({ moduleId }) =>
      moduleId.includes('/test/e2e/') ? 'whole' : 'part',
    );
    return [...whole, ...part];
  }
}

export default defineConfig({
  resolve: { conditions },
  // What is loaded by Node itself gets this one word more: with `import` too, a `require` would be handed ES modules.
  ssr: { resolve: { conditions, externalConditions: ['source'] } },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // One more than there are cores: a good part of the time is waiting for processes, disks and sockets.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    // Long enough where the programs of several files start at once; what must be quicker asserts so itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
    unstubEnvs: true,
    // Real processes on a machine that others use too: what fails by chance passes the second time and is named, what is
    // broken fails twice.
    retry: 1,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          // Loading what they have in common for each file anew took a third of all the time.
          isolate: false,
          include: ['apps/*/src/**/*.test.ts', 'packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...CHANGE_THE_PROCESS],
        },
      },
      { extends: true, test: { name: 'apart', isolate: true, include: CHANGE_THE_PROCESS } },
    ],
  },
});
