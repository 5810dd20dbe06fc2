import { describe, expect, it } from 'vitest';
import { analyzeLines } from '../helpers/analyze.ts';

const QEMU = '> 2026-02-02T08:12:01.204432Z qemu-kvm: ';

/** Findings of VTD015, and lines that are torn. */
async function told(...lines: readonly string[]) {
  const { session, trace } = await analyzeLines(lines);
  const findings = session.findings
    .filter(({ rule }) => rule === 'VTD015')
    .map(({ errno, iova, size, first }) => `${errno} ${iova}+${size} at ${first.line}`);
  return [...findings, ...trace.losses.map(({ kind, count }) => `${kind} x${count}`)];
}

describe('a failing call that a mailer broke', () => {
  it.each([
    [
      'a MAP behind the container',
      `${QEMU}vfio_container_dma_map(0x55b1c0ffee00,`,
      '> 0x380000000000, 0x8000000, 0x7f1200000000) = -22 (Invalid argument)',
      '-22 0x380000000000+0x8000000 at 2',
    ],
    [
      'a MAP behind the size',
      `${QEMU}vfio_dma_map(0x55b1c0ffee00, 0x380000000000, 0x8000000,`,
      '> 0x7f1200000000) = -14 (Bad address)',
      '-14 0x380000000000+0x8000000 at 2',
    ],
    [
      'an unmap behind the container',
      `${QEMU}vfio_container_dma_unmap(0x55b1c0ffee00,`,
      '> 0x100000000, 0x80000000) = -22 (Invalid argument)',
      '-22 0x100000000+0x80000000 at 2',
    ],
    [
      'an unmap behind the address',
      `${QEMU}vfio_dma_unmap(0x55b1c0ffee00, 0x100000000,`,
      '> 0x80000000) =3D -22 (Ung=FCltiges Argument)',
      '-22 0x100000000+0x80000000 at 2',
    ],
  ])('is told, and that a line is torn: %s', async (_, front, rest, finding) => {
    expect(await told(front, rest)).toEqual([finding, 'torn x1']);
  });

  it.each([
    [
      'of which the front is missing',
      ['> 0x100000000, 0x80000000) = -22 (Invalid argument)', QEMU],
    ],
    [
      'with a line between',
      [
        `${QEMU}vfio_dma_unmap(0x55b1c0ffee00,`,
        '> and so on',
        '> 0x100000000, 0x80000000) = -22 (Invalid argument)',
      ],
    ],
    [
      'with a number too many',
      [
        `${QEMU}vfio_dma_unmap(0x55b1c0ffee00, 0x1000,`,
        '> 0x100000000, 0x80000000) = -22 (Invalid argument)',
      ],
    ],
  ])('is nothing: %s', async (_, lines) => {
    expect((await told(...lines)).filter((text) => text.startsWith('-22'))).toEqual([]);
  });
});
