import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { syslog } from '../../src/decoding/carriers/syslog.ts';
import { CompiledKernel } from '../../src/decoding/compiled/index.ts';
import { WasmKernel } from '../../src/decoding/wasm/index.ts';
import { isOfThisCatalogue } from '../../src/decoding/wasm/module.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { aLine, changed } from '../helpers/changed-lines.ts';
import { bytesOf, captures, root } from '../helpers/ground-truth.ts';
import { compareChangedLines, Kernels, wasmInstance } from '../helpers/kernels.ts';

/** Bytes of a capture that are compared: storms of a hundred thousand like lines show nothing more. */
const MOST_BYTES = 3 * 1024 * 1024;

describe('each kernel writes the words of the reference', () => {
  it.each(captures.map(({ name, log }) => [name, log] as const))('for %s', (_, log) => {
    const bytes = bytesOf(log);
    const records =
      new Kernels().compareTrace(bytes.subarray(0, MOST_BYTES), plain) +
      (bytes.length > 2 * MOST_BYTES
        ? new Kernels().compareTrace(bytes.subarray(-MOST_BYTES), plain)
        : 0);
    expect(records).toBeGreaterThan(0);
  });

  const folder = join(root, 'test/decoding/lines');
  it.each(readdirSync(folder))('for the lines of %s', (name) => {
    const bytes = readFileSync(join(folder, name));
    expect(new Kernels().compareTrace(bytes, plain)).toBeGreaterThan(0);
    // Behind a carrier's header, which most of these do not have, lines count as foreign.
    new Kernels().compareTrace(bytes, syslog);
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
    compareChangedLines(50_000);
  });

  it('for runs of lines, with something else in them here and there', () => {
    const kernels = new Kernels();
    const stamps = [
      () => '',
      (n: number) => `42@17953342${50 + Math.floor(n / 7)}.16621${n % 10}:`,
      (n: number) => `2026-11-22T07:51:${10 + Math.floor(n / 9)}.71730${n % 10}Z `,
      (n: number) => `${42 + Math.floor(n / 11)}@9999999${n % 2}.000001:`,
    ];
    const oddities: readonly ((line: string) => string)[] = [
      () => '',
      (line) => line.toUpperCase(),
      (line) => `${line}\r`,
      (line) => `${line} `,
      (line) => line.replace('iova 0x', 'iova 0x1'),
      (line) => line.slice(0, -1),
      (line) => line.replace('mask', 'domain'),
      () => 'vtd_page_walk_one domain 0x1 iova 0x1000 -> gpa 0x2000 mask 0xfff perm 3',
      (line) => `${line}\n${line}`,
    ];
    const property = fc.property(
      fc.constantFrom(...stamps),
      fc.constantFrom(0xfffn, 0x1fffn, 0x1fffffn, 0x3fffffffn, 0xffffffffffn, 0x7ffn),
      fc.oneof(fc.bigInt(0n, 2n ** 52n), fc.constantFrom(0n, 0xffn, 0x9fcn, 0xffffffffffffcn)),
      fc.array(fc.tuple(fc.nat(60), fc.constantFrom(...oddities)), { maxLength: 4 }),
      (stamp, mask, page, odd) => {
        const lines = Array.from({ length: 60 }, (_, n) => {
          const iova = BigInt.asUintN(64, page * 4096n + BigInt(n) * (mask + 1n)).toString(16);
          return `${stamp(n)}vtd_page_walk_one_skip_unmap iova 0x${iova} mask 0x${mask.toString(16)}`;
        });
        for (const [at, change] of odd) lines[at] = change(lines[at] ?? '');
        kernels.compare(Buffer.from(`${lines.join('\n')}\n`, 'latin1'), plain);
      },
    );
    fc.assert(property, { numRuns: 1000 });
  });

  it('for such lines behind the header of a carrier', () => {
    const kernels = new Kernels();
    fc.assert(
      fc.property(lines, fc.constantFrom(...HEADERS), anEnd, (parts, header, end) => {
        const block = blockOf(
          parts.map((part, index) => (index % 7 === 6 ? part : header + part)),
          end,
        );
        kernels.compare(block, syslog);
      }),
      { numRuns: 2000 },
    );
  });

  it('for two lines that met at any byte', () => {
    const kernels = new Kernels();
    fc.assert(
      fc.property(aLine, aLine, (one, other) => {
        const parts = Array.from(
          { length: Math.min(40, one.length) },
          (_, cut) =>
            one.slice(0, Math.floor((cut * one.length) / 40)) +
            other.slice(cut % 3 === 0 ? 0 : cut),
        );
        const block = blockOf(parts, '\n');
        kernels.compare(block, plain);
      }),
      { numRuns: 500 },
    );
  });
});

/** Counts the lines that are left to it. */
class Counting extends CompiledKernel {
  left = 0;

  override line(...args: Parameters<CompiledKernel['line']>): number {
    this.left += 1;
    return super.line(...args);
  }
}

describe('the kernel in WebAssembly', () => {
  it.each([
    ['qemu-10.0/storm-aw48', 0.001],
    ['qemu-11.1/blocked-aw48', 0.05],
    ['qemu-10.0/linux-nvme-large-noise', 0.05],
  ])('reads nearly all lines of %s itself', (wanted, mostLeft) => {
    const log = captures.find(({ name }) => name === wanted)?.log ?? '';
    const others = new Counting();
    const bytes = bytesOf(log);
    const writer = new BatchWriter(bytes.length);
    const lines = new WasmKernel(wasmInstance(), others).decode(bytes, plain, writer);
    expect(lines).toBeGreaterThan(1000);
    expect(others.left / lines).toBeLessThan(mostLeft);
  });

  it('writes a run of lines as one record', () => {
    const log = captures.find(({ name }) => name === 'qemu-10.0/storm-aw48')?.log ?? '';
    const bytes = bytesOf(log);
    const writer = new BatchWriter(bytes.length);
    const lines = new WasmKernel(wasmInstance(), new CompiledKernel()).decode(bytes, plain, writer);
    const { words } = writer.finish(bytes, 0, lines);
    // A record of each line would have eleven words at least.
    expect(words.length).toBeLessThan(lines);
  });

  it('is refused where it was made of another catalogue', () => {
    const instance = wasmInstance();
    expect(isOfThisCatalogue(instance)).toBe(true);
    expect(isOfThisCatalogue({ ...instance, catalogueHash: { value: 1 } })).toBe(false);
  });

  it('takes lines of any length, however they lie in a block', () => {
    const kernels = new Kernels();
    const event = 'vtd_inv_desc_cc_devices context invalidate devices sid 0x10 fm 0x3\n';
    const long = `${'x'.repeat(300_000)}\n`;
    const counted = `vfio_pci_read_config (0000:01:00.0, @0x3d, len=0x1) 0x0\n`;
    const parts = [event.repeat(5000), long, event, long, counted.repeat(6000), event];
    expect(kernels.compare(Buffer.from(parts.join('')), plain)).toBe(5002);
  });

  it('takes lines from memory that threads share, and puts records into such, wherever they lie', () => {
    const bytes = bytesOf('traces/qemu-10.0/blocked-aw48-minimal.log');
    const wordsFrom = (source: number, words: number, isShared: boolean) => {
      const memory = (length: number) =>
        isShared ? new SharedArrayBuffer(length) : new ArrayBuffer(length);
      const block = new Uint8Array(memory(bytes.length + source), source);
      block.set(bytes);
      const writer = new BatchWriter(bytes.length);
      writer.writeTo(new Uint32Array(memory(4 * (bytes.length + words)), 4 * words));
      const lines = new WasmKernel(wasmInstance(), new CompiledKernel()).decode(
        block,
        plain,
        writer,
      );
      return [...writer.finish(block, 0, lines).words];
    };
    const expected = wordsFrom(0, 0, false);
    expect(expected.length).toBeGreaterThan(1000);
    for (let source = 0; source < 9; source += 1) {
      expect(wordsFrom(source, source % 3, true)).toEqual(expected);
    }
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
