import type {
  Act,
  Attachment,
  Flush,
  PageLevel,
  Permission,
} from '../../../src/tools/simulator/index.ts';

/** Builders that state only what matters to a test. */

export function pages(first: bigint, count: number, size = 0x1000n): bigint[] {
  return Array.from({ length: count }, (_, i) => first + BigInt(i) * size);
}

export function map(
  iova: bigint,
  gpas: readonly bigint[],
  more: { domain?: number; level?: PageLevel; permission?: Permission; flush?: Flush } = {},
): Act {
  return { kind: 'map', domain: 1, iova, level: 1, gpas, permission: 3, flush: 'pages', ...more };
}

export function unmap(
  iova: bigint,
  count = 1,
  more: { domain?: number; level?: PageLevel; residual?: boolean; flush?: Flush } = {},
): Act {
  return {
    kind: 'unmap',
    domain: 1,
    iova,
    level: 1,
    count,
    residual: false,
    flush: 'pages',
    ...more,
  };
}

export function attach(
  to: Attachment,
  more: { device?: number; invalidate?: 'device' | 'global' | 'none'; flush?: boolean } = {},
): Act {
  return { kind: 'attach', device: 0, to, invalidate: 'device', flush: false, ...more };
}

export const block = attach('blocked');

/** Maps one page in a domain, and tells QEMU so. */
export function mapPage(domain: number, iova: bigint, gpa: bigint): Act {
  return map(iova, [gpa], { domain });
}

/** Unmaps one page in a domain. */
export function unmapPage(domain: number, iova: bigint, flush: Flush = 'pages'): Act {
  return unmap(iova, 1, { domain, flush });
}

export function dirtyRate(on: boolean): Act {
  return { kind: 'dirty-rate', on, mode: 'dirty-bitmap', fails: false };
}

/** A migration up to `active`. */
export const startMigration: readonly Act[] = [
  { kind: 'migrate', step: 'setup' },
  { kind: 'migrate', step: 'log' },
  { kind: 'migrate', step: 'active' },
];

/** Device 0 in domain 1, translation on. */
export const enable: readonly Act[] = [
  attach(1, { invalidate: 'none' }),
  { kind: 'translation', on: true },
];
