import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressMap, redactResult } from '../../src/result/redaction.ts';
import type { Result } from '../../src/result/types.ts';
import { analyze } from '../helpers/analyze.ts';
import { differences } from '../helpers/differences.ts';
import { captures, root } from '../helpers/ground-truth.ts';
import { aFinding, aResult, aSession, aTrace } from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';
import { validateResult } from '../helpers/schema.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Fields of texts and addresses; all else has to stay as it was. */
const CHANGES =
  /^(?:iova|gpa|carriedAddress|expectedAddress|path|vm|message|why|from|fix|text|detail|error|today)$/;

/** Where pieces begin in every VM. */
const PIECES = new Set([
  0n,
  ...[0x8, 0xc, 0xe, 0xf, 0xf8, 0xfc, 0xfe].map((high) => BigInt(high) << (high > 0xf ? 24n : 28n)),
  ...[0xfe800000n, 0xfec00000n, 0xfef00000n, 0xff000000n],
  ...Array.from({ length: 21 }, (_, index) => 1n << BigInt(index + 32)),
]);

/** Addresses of the guest's in the fields of a result. */
function addressesIn(value: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(value)) for (const item of value) addressesIn(item, found);
  else if (value !== null && typeof value === 'object') {
    for (const [name, field] of Object.entries(value as Fields)) {
      if (name === 'activity' || name === 'notifiers') continue;
      const isOfGuest = /^(?:gpa|carriedAddress|expectedAddress)$/.test(name);
      if ((isOfGuest || name === 'iova') && typeof field === 'string') {
        if (field !== '0x0' && (isOfGuest || !PIECES.has(BigInt(field)))) found.add(field);
      } else addressesIn(field, found);
    }
  }
  return found;
}

/** Addresses in words; a number that is a power of two may be a size, unless it is said not to be. */
function addressesInWords(text: string): readonly string[] {
  const all = [...text.matchAll(/(iova |at |guest address |ram_addr )?(0x[0-9a-f]+)/g)];
  return all.flatMap(([, words, number = '']) => {
    const value = BigInt(number);
    const isOther = words === undefined && (value & (value - 1n)) === 0n;
    return isOther || (words !== 'guest address ' && PIECES.has(value)) ? [] : [number];
  });
}

describe.each(captures)('$name', ({ log }) => {
  it('is found as before, and shows none of its addresses, pointers and paths', async () => {
    const { result } = await analyze(`${root}${log}`);
    const redacted = redactResult(result);
    expect(differences(result, redacted, CHANGES)).toEqual([]);
    expect(validateResult(redacted)).toEqual([]);
    const secrets = addressesIn(result);
    const isSecret = (address: string) => secrets.has(address);
    expect([...addressesIn(redacted)].filter(isSecret)).toEqual([]);
    const words = render('text', redacted, { verbosity: 2 });
    expect(addressesInWords(words).filter(isSecret)).toEqual([]);
    const shown = `${JSON.stringify(redacted)}\n${words}`;
    const tokens = new Set(shown.match(/0x[0-9a-f]+/g));
    expect([...tokens].filter((token) => /^0x(?:5[56]|7[ef])[0-9a-f]{10}$/.test(token))).toEqual(
      [],
    );
    expect(shown).not.toContain('traces/');
    expect(shown).not.toMatch(/\b0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b/);
  });
});

describe('addresses that stand for others', () => {
  const ranges = fc.array(
    fc
      .tuple(fc.nat({ max: 4000 }), fc.constantFrom(1, 2, 16, 512, 700))
      .map(([at, pages]) => [at * 64, at * 64 + pages - 1] as const),
    { minLength: 1, maxLength: 30 },
  );

  it('overlap, touch, follow each other and are aligned as those did', () => {
    fc.assert(
      fc.property(ranges, (all) => {
        const map = new AddressMap(all, 2 ** 42);
        const to = (page: number) => map.page(page) as number;
        for (const [first, last] of all) {
          expect(to(last) - to(first)).toBe(last - first);
          expect(to(first) % 512).toBe(first % 512);
          for (const [other, end] of all) {
            expect(Math.sign(to(first) - to(other))).toBe(Math.sign(first - other));
            expect(to(first) <= to(end) && to(other) <= to(last)).toBe(
              first <= end && other <= last,
            );
            if (last + 1 === other) expect(to(last) + 1).toBe(to(other));
          }
        }
      }),
    );
  });

  it('keep the place in a page, and leave what is not of them', () => {
    const map = new AddressMap([[5, 6]], 2 ** 42);
    expect((map.address(0x5abcn) ?? 0n) & 0xfffn).toBe(0xabcn);
    expect(map.address(0x7000n)).toBeNull();
  });
});

const shownOf = (result: Result) => JSON.stringify(redactResult(result));

describe('texts', () => {
  const why =
    'vm-a of /var/lib/images/disk.img: 0000:3b:00.1 at 10.1.2.3, vfio_container_dma_unmap(0x559396f7c430, 0x9001000, 0x1000), guest address 0x7005000';
  const finding = aFinding({
    message: why,
    iova: '0x9001000',
    size: '0x1000',
    atRisk: [{ gpa: '0x7005000', size: '0x1000' }],
    excerpt: ['12: secret'],
  });
  const result = aResult(
    aTrace({
      path: '/srv/logs/vm-a.log',
      sessions: [aSession({ vm: 'vm-a', findings: [finding] })],
    }),
  );

  it('lose names, paths, pointers, addresses and lines of the trace', () => {
    const shown = shownOf(result);
    for (const secret of [
      'vm-a',
      '/srv',
      'disk.img',
      '3b:00',
      '10.1.2.3',
      '559396f7c430',
      '9001000',
      '7005000',
      'secret',
    ]) {
      expect(shown).not.toContain(secret);
    }
  });

  it('have the same for the same, in fields and in words', () => {
    const redacted = redactResult(result);
    const [session] = redacted.traces[0]?.sessions ?? [];
    const [shown] = session?.findings ?? [];
    expect(session?.vm).toBe('vm-1');
    expect(shown?.message).toContain(`vm-1 of path-1: host-device-1 at host-address-1`);
    expect(shown?.message).toContain(`(pointer-1, ${shown?.iova}, 0x1000)`);
    expect(shown?.message).toContain(`guest address ${shown?.atRisk[0]?.gpa}`);
    expect(shown?.id).toBe(finding.id);
  });

  it('are the same each time', () => {
    expect(shownOf(result)).toBe(shownOf(result));
  });
});
