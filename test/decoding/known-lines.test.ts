import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { CompiledKernel } from '../../src/decoding/compiled/index.ts';
import { BatchCursor } from '../../src/events/cursor.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { changed } from '../helpers/changed-lines.ts';
import { root } from '../helpers/ground-truth.ts';

const folder = `${root}test/cases/`;
const posted = readdirSync(folder)
  .filter((name) => /\.(?:log|txt)$/.test(name))
  .flatMap((name) => readFileSync(`${folder}${name}`, 'latin1').split('\n'));
const examples = Object.values(
  JSON.parse(
    readFileSync(new URL('./messages.examples.json', import.meta.url), 'utf8'),
  ) as Readonly<Record<string, readonly string[]>>,
).flat();

const FOREIGN = '[drm] engine 16777216 of the host is idle again';
const OTHERS = [
  FOREIGN,
  'systemd[1]: Started Session 17 of User root.',
  'BUG: unable to handle page fault for address: 0xffffc90000a1b000',
  'vtd_page_walk_one domain 0x1 iova 0x2000 -> gpa 0x1000 mask 0xf',
  '2026-11-22T07:51:14.717309Z vtd_page_walk_one domain 0x1 iova 0xfef',
  '1331@1795334254.166216:vtd_page_walk_one domain 0x1',
  '2026-11-22T07:51:14.717309Z [  12.345678] usb 1-1: new device number 5 using xhci_hcd',
  '12:30:01 cron[71]: (root) CMD (run-parts 0x1a /etc)',
  'qemu-system-x86_64: vfio_container_dma_unmap(0x55d0c8b5a2c0, 0x1000000, 0x1000) = -22 (Invalid argument)',
  '2026-11-22T07:51:14Z qemu-system-x86_64: warning: vfio_dma_unmap(0x55d0c8b5a2c0, 0x1000000, 0x1000) = -7 (x)',
  'kvm: vfio_dma_map(0x55d0c8b5a2c0, 0x0, 0x1000, 0x7f54a909d000) = -12 (Cannot allocate memory)',
];

/** The records of a block, as a kernel that has read some before writes them. */
function decode(kernel: CompiledKernel, lines: readonly string[]) {
  const writer = new BatchWriter();
  const block = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
  const batch = writer.finish(block, 0, kernel.decode(block, plain, writer));
  const records: string[] = [];
  const cursor = new BatchCursor(batch, 0);
  while (cursor.next()) records.push(Buffer.from(cursor.words.slice().buffer).toString('hex'));
  const { skipped, foreignLines } = batch;
  return { records, text: Buffer.from(batch.text).toString('latin1'), skipped, foreignLines };
}

/** The same line three times with these digits in the place of its own, which are in turn as many and more. */
function variants(line: string, digits: string): readonly string[] {
  const other = (shift: number) =>
    line.replace(/\d/g, (_, at: number) => digits.charAt((at + shift) % digits.length));
  const longer = line.replace(/\d+/g, (number) => number + digits.slice(0, 3));
  const inHex = line.replace(/(?<=0x)[0-9a-f]+/g, (number) => `${number.slice(1)}f`);
  return [other(0), other(1), longer, inHex];
}

const digits = fc.stringMatching(/^\d{5,9}$/);

/** What comes before does not change what a line is: all are read again by a kernel that knows none. */
function compare(lines: readonly string[], numbers: string): void {
  const warm = new CompiledKernel();
  // An outline is looked into the second time, if there are others between.
  for (let time = 0; time < 3; time += 1) {
    decode(warm, [...lines, ...lines.flatMap((line) => variants(line, numbers))]);
  }
  for (const line of lines.flatMap((one) => [one, ...variants(one, numbers)])) {
    expect(decode(warm, [line]), line).toEqual(decode(new CompiledKernel(), [line]));
  }
}

describe('lines that are known by their outlines', () => {
  it('are what they are to a kernel that knows none: examples and lines as posted', () => {
    for (const lines of [OTHERS, examples, posted]) compare(lines, '7003194');
  });

  it('real lines that were changed at random', () => {
    const line = fc.oneof(changed, fc.constantFrom(...OTHERS, ...examples));
    fc.assert(fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), digits, compare), {
      numRuns: 60,
    });
  });
});
