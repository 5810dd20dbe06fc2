import { expect, test } from 'vitest';
import {
  QEMU_VERSIONS,
  randomOptions,
  simulationOptions,
} from '../../../src/tools/simulator/index.ts';

test('impossible combinations become possible ones', () => {
  expect(simulationOptions({ qemu: '7.2', backend: 'iommufd' }).backend).toBe('legacy');
  expect(simulationOptions({ qemu: '9.2', backend: 'iommufd' }).backend).toBe('iommufd');
  expect(simulationOptions({ qemu: '10.0', backend: 'vfio-user' }).backend).toBe('legacy');
  expect(simulationOptions({ qemu: '10.1', backend: 'vfio-user' }).backend).toBe('vfio-user');
  expect(simulationOptions({ qemu: '7.2', deviceTracking: true }).deviceTracking).toBe(false);
  expect(simulationOptions({ awBits: 39, domainLevels: [4, 3] }).domainLevels).toEqual([3, 3]);
  expect(simulationOptions({ ramSize: 0x10000000n, below4g: 0x40000000n }).below4g).toBe(
    0x10000000n,
  );
  expect(simulationOptions({ maxDirtyBitmapBytes: 8n }).maxDirtyBitmapBytes).toBe(0x8000n);
  expect(simulationOptions({ dmaEntryLimit: 1 }).dmaEntryLimit).toBe(16);
  expect(simulationOptions({ qemu: '11.0', prefix: 'tid' }).prefix).toBe('iso');
  expect(simulationOptions({ qemu: '10.0', prefix: 'iso' }).prefix).toBe('tid');
  expect(simulationOptions({ qemu: '11.0', prefix: 'none' }).prefix).toBe('none');
});

test('random options reach every configuration, and a seed names one', () => {
  const many = Array.from({ length: 400 }, (_, i) => randomOptions(i + 1));
  const reached = <T>(of: (options: (typeof many)[number]) => T) => new Set(many.map(of));
  expect(reached(({ qemu }) => qemu)).toEqual(new Set(QEMU_VERSIONS));
  expect(reached(({ backend }) => backend).size).toBe(3);
  expect(reached(({ awBits }) => awBits)).toEqual(new Set([39, 48]));
  expect(reached(({ hostPageSize }) => hostPageSize).size).toBe(3);
  expect(reached(({ devices }) => devices).size).toBe(2);
  expect(reached(({ events }) => events).size).toBe(7);
  expect(reached(({ prefix }) => prefix).size).toBe(3);
  for (const { qemu, prefix } of many) {
    const iso = ['10.2', '11.0', '11.1'].includes(qemu);
    expect(prefix === 'none' || prefix === (iso ? 'iso' : 'tid')).toBe(true);
  }
  expect(randomOptions(77)).toEqual(randomOptions(77));
});
