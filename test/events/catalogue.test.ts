import { describe, expect, it } from 'vitest';
import { amdIommu } from '../../src/events/catalogue/amd-iommu.ts';
import {
  catalogue,
  eventFamilies,
  eventNames,
  kindOf,
  kindOfName,
  offsetsOf,
} from '../../src/events/catalogue/index.ts';
import { intelIommu } from '../../src/events/catalogue/intel-iommu.ts';
import { iommufd } from '../../src/events/catalogue/iommufd.ts';
import { migration } from '../../src/events/catalogue/migration.ts';
import { notes } from '../../src/events/catalogue/notes.ts';
import { vfio } from '../../src/events/catalogue/vfio.ts';
import { virtioIommu } from '../../src/events/catalogue/virtio-iommu.ts';

const traced = eventNames.filter((name) => !name.includes(':'));

describe('the catalogue', () => {
  it('has every event of every subject once', () => {
    const subjects = [intelIommu, amdIommu, virtioIommu, vfio, iommufd, migration, notes];
    const names = subjects.flatMap((subject) => Object.keys(subject));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(Object.keys(catalogue));
  });

  it('numbers events', () => {
    expect(eventNames.map((name) => kindOf(name))).toEqual(eventNames.map((_, kind) => kind));
    expect(kindOfName('vtd_inv_qi_fetch')).toBeUndefined();
  });

  it('lays arguments out one behind the other', () => {
    expect(offsetsOf('vtd_page_walk_one')).toEqual({
      domain: 0,
      iova: 1,
      gpa: 3,
      mask: 5,
      perm: 7,
    });
  });

  it('prints no note, and every other event', () => {
    const printed = Object.entries(catalogue).filter(([, { shapes }]) => shapes.length > 0);
    expect(printed.map(([name]) => name)).toEqual(traced);
    expect(Object.keys(notes).every((name) => name.includes(':'))).toBe(true);
  });

  it('names the family of each trace event', () => {
    const strangers = traced.filter(
      (name) => !eventFamilies.some((family) => name.startsWith(`${family}_`)),
    );
    expect(strangers).toEqual([]);
  });
});
