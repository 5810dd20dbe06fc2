import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecodedEvent, decode } from '../../helpers/decoded.ts';
import { bytesOf, captures } from '../../helpers/ground-truth.ts';
import { eventsEnding, LINE_START, readLine } from '../../helpers/naive-log.ts';

/** Of every capture, the first lines that begin with each word, as the characters of their bytes. */
function sampleLines(most: number): readonly string[] {
  const lines = new Set<string>();
  for (const { log } of captures) {
    const counts = new Map<string, number>();
    for (const line of bytesOf(log).toString('latin1').split('\n')) {
      const [word = ''] = line.replace(/^(?:\d+@[\d.]+:|\S+Z )/, '').split(/[ :]/, 1);
      const count = counts.get(word) ?? 0;
      counts.set(word, count + 1);
      if (count < most && line.length < 1000) lines.add(line);
    }
  }
  return [...lines];
}

const real = sampleLines(3);
const aLine = fc.constantFrom(...real);
const FRAGMENTS = [
  '\0',
  '\r',
  ' ',
  '\x1b[31m',
  '\xef\xbb\xbf',
  '\xff',
  '1331@1795334254.166216:',
  '2026-11-22T07:51:14.717309Z ',
  'qemu-system-x86_64: ',
  'vtd_',
  '[R +0.1] ',
];

/** One thing that happens to a line, given a place in it between 0 and 1. */
type Change = (line: string, place: number) => string;

const aChange: fc.Arbitrary<Change> = fc.oneof(
  fc.nat(255).map(
    (byte): Change =>
      (line, place) => {
        const at = Math.floor(place * line.length);
        return `${line.slice(0, at)}${String.fromCharCode(byte)}${line.slice(at + 1)}`;
      },
  ),
  fc.nat(6).map(
    (bytes): Change =>
      (line, place) => {
        const at = Math.floor(place * line.length);
        return line.slice(0, at) + line.slice(at + bytes);
      },
  ),
  fc.constantFrom(...FRAGMENTS).map(
    (fragment): Change =>
      (line, place) => {
        const at = Math.floor(place * (line.length + 1));
        return line.slice(0, at) + fragment + line.slice(at);
      },
  ),
  aLine.map(
    (other): Change =>
      (line, place) =>
        line.slice(0, Math.floor(place * (line.length + 1))) + other,
  ),
  aLine.map(
    (other): Change =>
      (line, place) =>
        line + other.slice(Math.floor(place * other.length)),
  ),
);

const changed = fc
  .tuple(
    aLine,
    fc.array(fc.tuple(aChange, fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 3 }),
  )
  .map(([line, changes]) =>
    changes.reduce((text, [change, place]) => change(text, place), line).replaceAll('\n', ' '),
  );

async function eventsOf(lines: readonly string[]): Promise<readonly (readonly DecodedEvent[])[]> {
  const { events } = await decode('qemu-log', Buffer.from(`${lines.join('\n')}\n`, 'latin1'));
  return lines.map((_, index) => events.filter(({ line }) => line === index + 1));
}

const isTraceEvent = ({ name }: { readonly name: string }) => !name.includes(':');
const plain = ({ name, args }: { readonly name: string; readonly args: unknown }) => ({
  name,
  args,
});

/** Another name behind the first: two lines may have met there. */
function hasSecondName(line: string): boolean {
  return (
    (line.match(/(?:vtd|vfio|iommufd|global_dirty|migrate|memory_region|dirtyrate)_/g) ?? [])
      .length > 1
  );
}

describe('real lines, changed at random', () => {
  it('are read as a simple decoder reads them, or with more care', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(changed, { minLength: 1, maxLength: 8 }), async (lines) => {
        const decoded = await eventsOf(lines);
        for (const [index, line] of lines.entries()) {
          const events = (decoded[index] ?? []).filter(isTraceEvent).map(plain);
          const whole = readLine(line);
          if (whole !== undefined && !hasSecondName(line)) expect(events, line).toEqual([whole]);
          // Whatever is read stands there, at the end of the line, and once.
          expect(events.length, line).toBeLessThanOrEqual(1);
          for (const event of events) {
            const text = JSON.stringify(event);
            // Texts may hold a terminal's commands, which the simple decoder does not see.
            if (!text.includes('\\u001b')) expect(eventsEnding(line), line).toContainEqual(event);
          }
        }
      }),
      { numRuns: 600 },
    );
  });

  it('keep a stamped event that is glued on behind whatever there is', async () => {
    const stamped = aLine.filter(
      (line) => LINE_START.exec(line)?.index === 0 && readLine(line) !== undefined,
    );
    await fc.assert(
      fc.asyncProperty(changed, stamped, async (front, line) => {
        const whole = readLine(line);
        // A digit before the stamp would be one of its own.
        const [events = []] = await eventsOf([`${front}~${line}`]);
        expect(events.filter(isTraceEvent).map(plain)).toContainEqual(whole);
      }),
      { numRuns: 600 },
    );
  });

  it('never lose a needed event in silence where a line was cut and another goes on', async () => {
    const needed = aLine.filter((line) => readLine(line) !== undefined && /_.*\S /.test(line));
    // What no stamp, family or program begins cannot be told from the rest of the first line.
    const other = aLine.filter(
      (line) => LINE_START.exec(line)?.index === 0 || /^(?:vtd|vfio|qemu-)/.test(line),
    );
    const place = fc.double({ min: 0, max: 1, noNaN: true });
    await fc.assert(
      fc.asyncProperty(needed, other, place, async (line, next, place) => {
        const [name = ''] = /[a-z][a-z0-9]*_\w*/.exec(line) ?? [];
        const from =
          line.indexOf(name) + (/^(?:memory_region_|[a-z]+_)/.exec(name)?.[0].length ?? 0);
        const torn = line.slice(0, from + Math.floor(place * (line.length - from)));
        const [events = []] = await eventsOf([torn + next]);
        const isRead = events.some((event) => event.name === name);
        if (!isRead) expect(events.map((event) => event.name)).toContain('trace:loss');
      }),
      { numRuns: 600 },
    );
  });
});
