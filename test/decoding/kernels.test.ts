import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Carrier } from '../../src/decoding/carrier.ts';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { syslog } from '../../src/decoding/carriers/syslog.ts';
import { CompiledKernel } from '../../src/decoding/compiled/index.ts';
import type { LineKernel } from '../../src/decoding/kernel.ts';
import { ReferenceKernel } from '../../src/decoding/reference/index.ts';
import type { EventBatch } from '../../src/events/batch.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { aLine, changed } from '../helpers/changed-lines.ts';
import { bytesOf, captures, root } from '../helpers/ground-truth.ts';

const LF = 0x0a;
/** Bytes of a block that is compared. */
const BLOCK = 256 * 1024;

/** A kernel that is fed block by block, as one thread of the program does. */
class Fed {
  readonly #kernel: LineKernel;
  readonly #writer = new BatchWriter();

  constructor(kernel: LineKernel) {
    this.#kernel = kernel;
  }

  decode(block: Uint8Array, carrier: Carrier): EventBatch {
    const lines = this.#kernel.decode(block, carrier, this.#writer);
    return this.#writer.finish(block, 0, lines);
  }
}

/** What a batch says, as strings that are quick to compare; `words` last, since they are hard to read. */
function contentOf({ words, text, source: _, ...rest }: EventBatch): readonly unknown[] {
  return [
    rest,
    Buffer.from(text).toString('latin1'),
    Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('base64'),
  ];
}

function expectEqual(compiled: EventBatch, reference: EventBatch): void {
  expect(contentOf(compiled)).toEqual(contentOf(reference));
}

function* blocksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const lf = bytes.indexOf(LF, Math.min(at + BLOCK, bytes.length - 1));
    const end = lf < 0 ? bytes.length : lf + 1;
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** Compares the kernels on a whole trace; returns the records that both wrote. */
function compare(bytes: Uint8Array, carrier: Carrier): number {
  const [compiled, reference] = [new Fed(new CompiledKernel()), new Fed(new ReferenceKernel())];
  let records = 0;
  for (const block of blocksOf(bytes)) {
    const batch = compiled.decode(block, carrier);
    expectEqual(batch, reference.decode(block, carrier));
    records += batch.events;
  }
  return records;
}

/** Bytes of a capture that are compared: storms of a hundred thousand like lines show nothing more. */
const MOST_BYTES = 3 * 1024 * 1024;

describe('the compiled kernel writes the words of the reference', () => {
  it.each(captures.map(({ name, log }) => [name, log] as const))('for %s', (_, log) => {
    const bytes = bytesOf(log);
    const records =
      compare(bytes.subarray(0, MOST_BYTES), plain) +
      (bytes.length > 2 * MOST_BYTES ? compare(bytes.subarray(-MOST_BYTES), plain) : 0);
    expect(records).toBeGreaterThan(0);
  });

  const folder = join(root, 'test/decoding/lines');
  it.each(readdirSync(folder))('for the lines of %s', (name) => {
    const bytes = readFileSync(join(folder, name));
    expect(compare(bytes, plain)).toBeGreaterThan(0);
    // Behind a carrier's header, which most of these do not have, lines count as foreign.
    compare(bytes, syslog);
  });

  const HEADERS = [
    '',
    'Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ',
    '2026-11-22T07:35:47.845867+01:00 host-b systemd-journald[300]: ',
    '<30>1 2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64 7329 - - ',
  ];
  const lines = fc.array(changed, { minLength: 1, maxLength: 40 });
  const blockOf = (parts: readonly string[], end: string) =>
    Buffer.from(parts.join('\n') + end, 'latin1');
  const anEnd = fc.constantFrom('\n', '\r\n', '', '\0\n');

  // Some 30,000 lines in each.
  it('for real lines, changed at random', () => {
    const [compiled, reference] = [new Fed(new CompiledKernel()), new Fed(new ReferenceKernel())];
    fc.assert(
      fc.property(lines, anEnd, (parts, end) => {
        const block = blockOf(parts, end);
        expectEqual(compiled.decode(block, plain), reference.decode(block, plain));
      }),
      { numRuns: 2500 },
    );
  });

  it('for such lines behind the header of a carrier', () => {
    const [compiled, reference] = [new Fed(new CompiledKernel()), new Fed(new ReferenceKernel())];
    fc.assert(
      fc.property(lines, fc.constantFrom(...HEADERS), anEnd, (parts, header, end) => {
        const block = blockOf(
          parts.map((part, index) => (index % 7 === 6 ? part : header + part)),
          end,
        );
        expectEqual(compiled.decode(block, syslog), reference.decode(block, syslog));
      }),
      { numRuns: 2000 },
    );
  });

  it('for two lines that met at any byte', () => {
    const [compiled, reference] = [new Fed(new CompiledKernel()), new Fed(new ReferenceKernel())];
    fc.assert(
      fc.property(aLine, aLine, (one, other) => {
        const parts = Array.from(
          { length: Math.min(40, one.length) },
          (_, cut) =>
            one.slice(0, Math.floor((cut * one.length) / 40)) +
            other.slice(cut % 3 === 0 ? 0 : cut),
        );
        const block = blockOf(parts, '\n');
        expectEqual(compiled.decode(block, plain), reference.decode(block, plain));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a process that may make no code of strings', () => {
  // In one thread: the pool of threads makes code of its own.
  it('reads with the reference, and says the same', () => {
    const log = join(root, 'traces/qemu-10.0/blocked-aw48-minimal.log');
    const run = (...flags: readonly string[]) =>
      spawnSync(
        process.execPath,
        [...flags, join(root, 'dist/src/cli.js'), '-j', '1', '-f', 'json', log],
        {
          encoding: 'utf8',
        },
      );
    const forbidden = run('--disallow-code-generation-from-strings');
    const { status, stdout } = run();
    expect(stdout).not.toBe('');
    expect([forbidden.status, forbidden.stdout]).toEqual([status, stdout]);
  });
});
