import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { RULES_OF_FAILURES } from '../../src/cli/record.ts';
import { eventsFor, numberOf, type Question, questions } from '../../src/recording/events.ts';
import { measured } from '../../src/recording/volume.ts';
import { pages } from '../../src/rules/pages.ts';
import { captures, root } from '../helpers/ground-truth.ts';

const namesFor = (question: Question, version: string | null) =>
  eventsFor(question, version).map(({ name }) => name as string);

describe('the events of a version', () => {
  it.each([
    { version: '7.2', has: 'vfio_realize', lacks: 'vfio_attach_device' },
    { version: '10.0', has: 'vfio_attach_device', lacks: 'vfio_device_attach' },
    { version: '10.2', has: 'vfio_device_attach', lacks: 'vfio_attach_device' },
    { version: '11.1', has: 'vtd_device_attach_hwpt', lacks: 'vfio_get_device' },
  ])('$version', ({ version, has, lacks }) => {
    const names = namesFor('verdict', version);
    expect(names).toContain(has);
    expect(names).not.toContain(lacks);
    expect(names).toContain('vtd_page_walk_one');
  });

  it('between two that are known are those of both', () => {
    const names = namesFor('verdict', '9.0');
    expect(names).toContain('vfio_realize');
    expect(names).toContain('vfio_attach_device');
    expect(names).not.toContain('vfio_device_attach');
    expect(namesFor('verdict', '5.0')).toEqual(namesFor('verdict', '7.2'));
    expect(namesFor('verdict', '12.0')).toEqual(namesFor('verdict', '11.1'));
  });

  it('are printed as this version prints them', () => {
    const shapeOf = (version: string) =>
      eventsFor('verdict', version).find(({ name }) => name === 'vfio_save_setup')?.shape;
    expect(shapeOf('7.2')).toBe(' ({name:s})');
    expect(shapeOf('10.0')).toBe(' ({name:s}) data buffer size {_:d}');
  });

  it('of none are all, and no notes of ours', () => {
    const names = namesFor('verdict', null);
    expect(names).toContain('vfio_realize');
    expect(names).toContain('vtd_device_attach_hwpt');
    expect(names.filter((name) => !/^[a-z_0-9]+$/.test(name))).toEqual([]);
  });

  it('are all that captures of this version have of the catalogue', () => {
    const all = new Set(namesFor('verdict', null));
    for (const { log } of captures.filter(({ name }) => !/storm|noise/.test(name))) {
      const [, version = ''] = /qemu-(\d+\.\d+)/.exec(log) ?? [];
      const bytes = readFileSync(`${root}${log}`);
      const text = (log.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
      const traced = [...text.matchAll(/^(?:\d+@[\d.]+:|\S+Z )?([a-z]\w*) /gm)].map(
        ([, name = '']) => name,
      );
      const recorded = new Set(namesFor('verdict', version));
      const missing = new Set(traced.filter((name) => all.has(name) && !recorded.has(name)));
      expect([...missing], log).toEqual([]);
    }
  });
});

describe('a question', () => {
  it('records what its rules require', async () => {
    for (const page of pages) {
      const { requiredEvents } = await page.load();
      const question = RULES_OF_FAILURES.has(page.id) ? 'failures' : 'verdict';
      for (const version of ['7.2', '10.0', '11.1']) {
        const names = namesFor(question, version);
        expect(
          requiredEvents.filter((name) => !names.includes(name)),
          page.id,
        ).toEqual([]);
      }
    }
  });

  it('of failures needs few events', () => {
    expect(namesFor('failures', '10.0')).toHaveLength(10);
    expect(namesFor('failures', '7.2')).toHaveLength(10);
  });
});

describe('the volume that is told', () => {
  it.each(measured)('is that of $trace', ({ counts, trace }) => {
    const text = gunzipSync(readFileSync(`${root}traces/${trace}`)).toString('latin1');
    const found = new Map<string, { lines: number; bytes: number }>();
    for (const [, line = '', name = ''] of text.matchAll(/^(?:\d+@[\d.]+:)?(([a-z]\w*) .*\n)/gm)) {
      const { bytes, lines } = found.get(name) ?? { lines: 0, bytes: 0 };
      found.set(name, { lines: lines + 1, bytes: bytes + line.length });
    }
    for (const question of Object.keys(questions) as Question[]) {
      const sums = namesFor(question, null).map((name) => found.get(name));
      const sum = (of: 'lines' | 'bytes') => sums.reduce((all, one) => all + (one?.[of] ?? 0), 0);
      expect({ lines: sum('lines'), bytes: sum('bytes') }).toEqual(counts[question]);
    }
  });
});

describe('versions', () => {
  it('are compared as numbers', () => {
    expect(numberOf('10.2.1')).toBeGreaterThan(numberOf('9.2'));
    expect(numberOf('10.2.1')).toBe(numberOf('10.2'));
  });
});
