import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Carrier } from '../../src/decoding/carrier.ts';
import { container } from '../../src/decoding/carriers/container.ts';
import { cri } from '../../src/decoding/carriers/cri.ts';
import { ftrace } from '../../src/decoding/carriers/ftrace.ts';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { syslog } from '../../src/decoding/carriers/syslog.ts';
import { systemTap } from '../../src/decoding/carriers/systemtap.ts';
import { CompiledKernel } from '../../src/decoding/compiled/index.ts';
import type { FramedLines } from '../../src/decoding/framed-lines.ts';
import { catalogueHash } from '../../src/decoding/wasm/catalogue-hash.ts';
import { contractSource } from '../../src/decoding/wasm/contract.ts';
import { WasmKernel } from '../../src/decoding/wasm/index.ts';
import { isOfThisCatalogue } from '../../src/decoding/wasm/module.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { aLine, changed } from '../helpers/changed-lines.ts';
import { bytesOf, captures, root } from '../helpers/ground-truth.ts';
import { compareChangedLines, Kernels, wasmInstance } from '../helpers/kernels.ts';

/** Bytes of a capture that are compared: storms of a hundred thousand like lines show nothing more. */
const MOST_BYTES = 3 * 1024 * 1024;

/** Headers that carriers have; SS is a second, FFFFFF a fraction of it. */
const FRAMED: readonly {
  readonly name: string;
  readonly carrier: Carrier;
  readonly headers: readonly string[];
}[] = [
  {
    name: 'syslog',
    carrier: syslog,
    headers: [
      'Nov 22 07:35:SS host-a qemu-system-x86_64[7329]: ',
      '2026-11-22T07:35:SS.FFFFFF+01:00 host-a qemu-system-x86_64[7329]: ',
      '2026-11-22T07:35:SS.FFFFFF+01:00 host-a qemu-system-x86_64[7330]: ',
      '2026-11-22T07:35:SS.FFFFFF+01:00 host-b systemd-journald[300]: ',
      '<30>1 2026-11-22T07:35:SS.FFFFFFZ host-a qemu-system-x86_64 7329 - - ',
      '<30>1 2026-11-22T07:35:SSZ host-a qemu-system-x86_64 7329 - [a b="c"] ',
      'Sun 2026-11-22 07:35:SS.FFFFFF UTC host-a qemu-system-x86_64[7329]: ',
      'Sun 2026-11-22 07:35:SS.FFFFFF CET host-a qemu-system-x86_64[7329]: ',
      '17953329SS.FFFFFF host-a qemu-system-x86_64[7329]: ',
      '[ 1915.FFFFFF] host-a qemu-system-x86_64[7329]: ',
      'Nov 22 07:35:SS host-a kernel: ',
      'Nov 22 07:35:SS host-a ',
      '9999-11-22T07:35:SS.FFFFFFZ host-a qemu[1]: ',
      '2026-11-22T07:35:SS.FFFFFFZ host-a libvirtd[7]: time="x" sandbox=abc ',
    ],
  },
  {
    name: 'ftrace',
    carrier: ftrace,
    headers: [
      '           <...>-7329    [000] ...1.  1915.FFFFFF: tracing_mark_write: ',
      '           <...>-7330    [001] ...1.  19SS.FFFFFF: tracing_mark_write: ',
      '     CPU 0/KVM-7331 ( 1915) [001] .....  1915.FFFFFF: tracing_mark_write: ',
      '           <...>-7329  [000]  1915.FFFFFF: print:      tracing_mark_write: ',
      '           <...>-7329  [000]  1915.FFFFFF1SS: print:   0xffffffff8120e1c5s: ',
      '           <...>-7329  [000]  1915.FFFFFF: print:      ',
      '           <...>-7329  [000]  1915.FFFFFF: print:      ip=tracing_mark_write buf=',
      '           <...>-7329  [000]  1915246562: print:  ',
      '           <...>-7329  [000]  1915.FFFFFF: print:      tracing_m',
      'CPU:0 [LOST 8166 EVENTS]',
    ],
  },
  {
    name: 'systemtap',
    carrier: systemTap,
    headers: [
      '7329@17953329SSFFFFFF137 ',
      '7330@17953329SSFFFFFF137 ',
      '7329@99999999999SSFFFFFF13 ',
      'WARNING: ',
    ],
  },
  {
    name: 'container',
    carrier: container,
    headers: [
      '2026-11-22T07:35:SS.FFFFFF123Z ',
      '[pod/virt-launcher-vm-a-x7k2p/compute] ',
      '[pod/virt-launcher-vm-b-x7k2p/compute] 2026-11-22T07:35:SS.FFFFFF123Z ',
      'vm-a-1  | ',
      'vm-a-1  | 2026-11-22T07:35:SS.FFFFFF123+02:00 ',
      '2026-11-22T07:35:SS.FFFFFFZ ',
    ],
  },
  {
    name: 'cri',
    carrier: cri,
    headers: [
      '2026-11-22T07:35:SS.FFFFFF123Z stderr F ',
      '2026-11-22T07:35:SS.FFFFFFZ stderr F ',
      '2026-11-22T07:35:SS.FFFFFF123+01:00 stdout F ',
      '2026-11-22T07:35:SS.FFFFFF12345Z stderr F ',
      '2026-11-22T07:35:SS.FFFFFF123Z stderr F:tag ',
      '2026-11-22T07:35:SS.FFFFFF123Z stderr P ',
    ],
  },
];

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

  // Lines of one form in a row, others in between, and headers that are damaged.
  it.each(FRAMED)('for such lines behind the headers of $name', ({ carrier, headers }) => {
    const kernels = new Kernels();
    const lineOf = (few: readonly string[]) => {
      const header = fc
        .tuple(fc.constantFrom(...few), fc.constantFrom('00', '00', '07'), fc.nat(999_999))
        .map(([text, second, micro]) =>
          text.replace('SS', second).replace('FFFFFF', String(micro).padStart(6, '0')),
        );
      return fc
        .tuple(header, fc.constantFrom('', '', '', '1331@1795334254.166216:'), changed)
        .map(([front, stamp, text]) => front + stamp + text);
    };
    const lines = fc.subarray([...headers], { minLength: 1, maxLength: 4 }).chain((few) => {
      const whole = lineOf(few);
      const damaged = fc.tuple(whole, fc.nat(60), fc.nat(255)).map(([text, at, byte]) => {
        const other = String.fromCharCode(byte).replace('\n', ' ');
        return text.slice(0, at) + other + text.slice(at + (byte % 3));
      });
      const any = fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: damaged });
      return fc.array(any, { minLength: 1, maxLength: 40, size: 'max' });
    });
    fc.assert(
      fc.property(lines, anEnd, (parts, end) => {
        kernels.compare(blockOf(parts, end), carrier);
      }),
      { numRuns: 500 },
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

  override framed(carrier: Carrier): FramedLines {
    const lines = super.framed(carrier);
    const line = lines.line.bind(lines);
    lines.line = (...args) => {
      this.left += 1;
      line(...args);
    };
    return lines;
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

  it.each(FRAMED)('reads nearly all lines behind one header of $name itself', (row) => {
    const { carrier, headers } = row;
    const event = 'vtd_page_walk_one domain 0x1 iova 0x1000 -> gpa 0x2000 mask 0xfff perm 3\n';
    const front = (headers[0] ?? '').replace('SS', '07');
    const fraction = (at: number) => String(at % 1_000_000).padStart(6, '0');
    const lines = Array.from({ length: 5000 }, (_, at) => front.replace('FFFFFF', fraction(at)));
    const bytes = Buffer.from(lines.map((line) => line + event).join(''));
    const others = new Counting();
    const writer = new BatchWriter(bytes.length);
    new WasmKernel(wasmInstance(), others).decode(bytes, carrier, writer);
    expect(writer.finish(bytes, 0, lines.length).events).toBe(5000);
    expect(others.left).toBe(1);
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

  it('is refused where it was made of another catalogue, or by another contract', () => {
    const instance = wasmInstance();
    expect(isOfThisCatalogue(instance)).toBe(true);
    const older = contractSource().replace(/TOLD_BYTES: usize = \d+/, 'TOLD_BYTES: usize = 64');
    for (const value of [1, catalogueHash(older)]) {
      expect(isOfThisCatalogue({ ...instance, catalogueHash: { value } })).toBe(false);
    }
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
