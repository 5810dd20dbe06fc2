import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aLine, changed } from '../../helpers/changed-lines.ts';
import { type DecodedEvent, decode } from '../../helpers/decoded.ts';
import { eventsEnding, LINE_START, readLine } from '../../helpers/naive-log.ts';

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
