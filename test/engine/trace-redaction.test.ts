import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertedTrace } from '../../src/engine/conversion.ts';
import { abridged } from '../helpers/abridged.ts';
import { analyze } from '../helpers/analyze.ts';
import { differences } from '../helpers/differences.ts';
import { testFolder } from '../helpers/folder.ts';
import { captures, root, siblingCaptures } from '../helpers/ground-truth.ts';
import { sample } from '../helpers/samples.ts';

/** Texts, and where in which file they stand; all else has to stay as it was, addresses too. */
const CHANGES =
  /^(?:path|format|compression|bytes|byteOffset|vm|message|why|from|fix|text|detail|today)$/;
/** What is the host's: pointers, devices, paths. */
const OF_HOST =
  /0x(?:5[56]|7[ef])[0-9a-f]{10}\b|\b0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b|\/(?:usr|var|dev|sys|tmp|home)\//;

/** Addresses of the guest, which may look like pointers. */
const OF_GUEST = /"(?!container|vaddr)\w+":"0x[0-9a-f]+"/g;

async function redacted(input: string): Promise<string> {
  let text = '';
  const pieces = await convertedTrace({ inputs: [input], notation: 'ndjson', hidesHost: true });
  for await (const piece of pieces) text += piece;
  return text;
}

async function expectTheSame(input: string): Promise<string> {
  const text = await redacted(input);
  const path = join(testFolder(), 'events.ndjson');
  writeFileSync(path, text);
  const [before, after] = [await analyze(input), await analyze(path)];
  expect(differences(before.result, after.result, CHANGES)).toEqual([]);
  expect(differences(before.unmaps, after.unmaps, CHANGES)).toEqual([]);
  expect(differences(before.mappings, after.mappings, CHANGES)).toEqual([]);
  const shown = text.replace(OF_GUEST, '');
  expect(OF_HOST.exec(shown)?.[0]).toBeUndefined();
  return text;
}

describe('a trace without what is the host`s says the same', () => {
  it.each([...captures, ...siblingCaptures].map(({ log }) => log))('%s', async (log) => {
    await expectTheSame(abridged(log));
  });

  const cases = readdirSync(`${root}test/cases`).filter((name) => /\.log(?:\.gz)?$/.test(name));
  it.each(cases)('%s', async (name) => {
    await expectTheSame(`${root}test/cases/${name}`);
  });

  it.each([
    ['libvirt-10.0.13-vm-a.log', /vm-a|-device .*vfio/],
    ['handmade-syslog-iso.log', /\w+\[\d+\]/],
    ['handmade-journald.ndjson', /"source":"(?!process-)/],
  ])('%s, and has no name in it', async (name, secret) => {
    const path = join(testFolder(), name);
    writeFileSync(path, sample(`${name}.gz`));
    expect(await expectTheSame(path)).not.toMatch(secret);
  });
});

describe('what stands for something', () => {
  const log = [
    'vfio_attach_device  (0000:3b:00.1) group 12',
    'vfio_listener_region_add_ram region_add [ram] 0x0 - 0x9ffff [0x7f3e40000000]',
    'vfio_listener_region_add_ram region_add [ram] 0x100000 - 0x3fffffff [0x7f3e40100000]',
    'qemu-system-x86_64: vfio_container_dma_map(0x559396f7c430, 0x1000, 0x1000, 0x7f3e40001000) = -22 (Invalid argument)',
    'qemu-system-x86_64: vfio 0000:3b:00.1: something about /srv/images/a.img',
    '',
  ];

  it('is as far from others as it was, and the same in each line', async () => {
    const path = join(testFolder(), 'vm-secret.log');
    writeFileSync(path, log.join('\n'));
    const text = await redacted(path);
    const vaddrs = [...text.matchAll(/"vaddr":"(0x\w+)"/g)].map(([, vaddr]) => BigInt(vaddr ?? 0));
    expect((vaddrs[1] ?? 0n) - (vaddrs[0] ?? 0n)).toBe(0x10_0000n);
    expect((vaddrs[0] ?? 0n) % 2n ** 30n).toBe(0x7f3e40000000n % 2n ** 30n);
    expect(text).toContain('"name":"host-device-1"');
    for (const secret of ['3b:00', '7f3e4', '559396', 'a.img', 'secret']) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain('"start":"0x100000"');
  });
});
