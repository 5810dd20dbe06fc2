import type { Mutation } from './mutate.ts';

/** Breaks of the model, one at a time; each must be noticed by some seed of the simulator. */
export const mutations: readonly Mutation[] = [
  {
    what: 'a bitmap of exactly the limit is too big',
    file: 'src/model/dirty-bitmap.ts',
    find: 'return bytes > limitBytes;',
    replace: 'return bytes >= limitBytes;',
  },
  {
    what: 'the drain of 11.x never wraps',
    file: 'src/model/whole-unmaps.ts',
    find: 'drain?.wraps === true && start + end > U64_MAX',
    replace: 'drain?.wraps === true && start + end > 2n * U64_MAX',
  },
];
