import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type InspectOptions, inspectTraces } from '../../src/engine/inspection.ts';
import { type Inspection, inspectionOf } from '../../src/reports/inspection/inspection.ts';
import { textOfInspection } from '../../src/reports/inspection/text.ts';
import { decode } from '../helpers/decoded.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf, root } from '../helpers/ground-truth.ts';
import { sample } from '../helpers/samples.ts';
import { tarOf } from '../helpers/tar.ts';

async function inspectAll(inputs: readonly string[], options: Partial<InspectOptions> = {}) {
  const all: (Inspection | string)[] = [];
  for await (const found of inspectTraces({ inputs, jobs: 1, ...options })) {
    all.push(found.ok ? inspectionOf(found.trace, found.replayed, found.messages) : found.error);
  }
  return all;
}

async function inspect(path: string, bytes?: Uint8Array): Promise<Inspection> {
  async function* stdin() {
    if (bytes !== undefined) yield bytes;
  }
  const [inspection] = await inspectAll([path], { stdin: stdin() });
  if (typeof inspection !== 'object') throw new Error(inspection);
  return inspection;
}

it.each([
  'qemu-10.0/blocked-aw48.log.gz',
  'qemu-11.1/blocked-aw48.log.gz',
  'qemu-7.2/blocked-aw48.log.gz',
])(
  'counts each event of %s once, whatever a record stands for and however often it is read',
  async (name) => {
    const { events, skipped } = await decode('qemu-log', bytesOf(`traces/${name}`));
    const counts = new Map(Object.entries(skipped));
    for (const event of events) {
      if (!event.name.includes(':')) counts.set(event.name, (counts.get(event.name) ?? 0) + 1);
    }
    const inspection = await inspect(`${root}traces/${name}`);
    expect(new Map(inspection.events.map((event) => [event.name, event.count]))).toEqual(counts);
    expect(inspection.messages).toBe(
      events.filter((event) => event.name.startsWith('message:')).length,
    );
  },
);

it('has rates where there are times, and what is lost', async () => {
  const inspection = await inspect('-', sample('simple-10.2.2-dropped.bin.gz'));
  expect(inspection).toMatchObject({
    format: 'simple',
    time: { clock: 'monotonic' },
    losses: [{ kind: 'dropped', count: 7012 }],
    verdict: { isPossible: false },
    producers: [{ vIommu: { value: 'intel-iommu' }, backends: ['vfio-user'] }],
  });
  const { seconds } = inspection.time;
  for (const { count, perSecond } of inspection.events) {
    expect(perSecond).toBeCloseTo(count / (seconds ?? 0), -3);
  }
});

it('says what to enable where a verdict is not possible', async () => {
  const line =
    'vtd_switch_address_space Device 00:05.0 switching address space (iommu enabled=1)\n';
  const inspection = await inspect('-', Buffer.from(line));
  expect(inspection.verdict.isPossible).toBe(false);
  expect(inspection.needed.filter(({ count }) => count > 0).map(({ name }) => name)).toEqual([
    'vtd_switch_address_space',
  ]);
  const text = [...textOfInspection(inspection, 80)].join('');
  expect(text).toContain('vfio_iommu_map_notify                   none');
  expect(text).toContain('No: the trace does not show enough.');
  expect(text).toContain("-trace 'vtd_*'");
});

it('fails where there is no trace', async () => {
  expect(await inspectAll([`${root}README.nothing`])).toEqual([
    `${root}README.nothing: no such file`,
  ]);
});

it('takes folders, archives and the pieces of a log, as an analysis does', async () => {
  const folder = testFolder();
  const log = bytesOf('traces/qemu-11.1/blocked-aw48-minimal-ts.log');
  writeFileSync(join(folder, 'a.tar'), tarOf({ name: 'vm.log', content: log }));
  writeFileSync(join(folder, 'notes.txt'), 'nothing\n');
  writeFileSync(join(folder, 'vm.log.3'), log.subarray(0, 9000));
  writeFileSync(join(folder, 'vm.log.1'), log.subarray(9000));
  const [inArchive, ...others] = await inspectAll([folder]);
  expect(others).toHaveLength(2);
  const whole = await inspect('-', log);
  expect(inArchive).toEqual({ ...whole, path: `${folder}/a.tar!vm.log` });
  const pieces = ['vm.log.1', 'vm.log.3'].map((name) => join(folder, name));
  const [joined] = await inspectAll(pieces, { isJoined: true });
  expect(joined).toMatchObject({
    losses: [{ kind: 'torn' }, { detail: 'the piece with the number 2 is missing' }],
    events: expect.arrayContaining([expect.objectContaining({ name: 'vfio_iommu_map_notify' })]),
  });
  const total = (inspection: Inspection) =>
    inspection.events.reduce((sum, { count }) => sum + count, 0);
  expect(total(joined as Inspection)).toBe(total(whole) - 1);
});

it('says of a long list where the rest of it is', async () => {
  const inspection = await inspect(`${root}traces/qemu-10.0/linux-nvme-aw48.log.gz`);
  const text = [...textOfInspection(inspection, 80)].join('');
  expect(text).toContain(`and ${inspection.events.length - 30} more: -f json lists them.`);
});
