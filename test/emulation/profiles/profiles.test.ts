import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  profileFor,
  profileNamed,
  profiles,
  releases,
  unmapAlike,
} from '../../../src/emulation/profiles/index.ts';
import { versionNumber, versionText } from '../../../src/emulation/profiles/profile.ts';

const folder = new URL('../../../src/emulation/profiles/', import.meta.url);

describe('the profiles', () => {
  it('are a file each, and a line of the list', () => {
    const files = readdirSync(folder).filter((name) => /^(?:qemu-|v\d)/.test(name));
    const ids = profiles.map(({ id, known }) => (known === 'unmerged' ? id : `qemu-${id}`));
    expect(files.sort()).toEqual(ids.map((id) => `${id}.ts`).sort());
  });

  it('of releases stand oldest first', () => {
    const versions = releases.map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(releases.map(({ id, version }) => [id, versionText(version)])).toEqual(
      releases.map(({ id }) => [id, id]),
    );
  });

  it.each([
    ['7.2', '7.2'],
    ['6.0', '7.2'],
    ['8.0.3', '7.2'],
    ['9.1', '8.1'],
    ['10.0.13', '10.0'],
    ['11.0.2', '11.0'],
    ['11.1.3', '11.1'],
    ['42.0', releases.at(-1)?.id],
    ['v4-patch', 'v4-patch'],
    ['v5-patch', 'v5-patch'],
  ])('%s is treated as %s', (name, id) => {
    expect(profileNamed(name)?.id).toBe(id);
  });

  it.each(['', '11', 'eleven', '10.2-rc1', '1000.2'])('%j is no version', (name) => {
    expect(profileNamed(name)).toBeUndefined();
  });

  it('that were not merged are taken by name only', () => {
    expect(profileFor(versionNumber(10, 2)).id).toBe('10.2');
  });

  it('are alike where no unmap differs', () => {
    const named = (id: string) => profileNamed(id) ?? profileFor(0);
    expect(unmapAlike(named('8.1'), named('10.2'))).toBe(true);
    expect(unmapAlike(named('7.2'), named('8.1'))).toBe(false);
    expect(unmapAlike(named('10.2'), named('11.0'))).toBe(false);
    expect(unmapAlike(named('11.0'), named('11.1'))).toBe(false);
    expect(unmapAlike(named('v4-patch'), named('v5-patch'))).toBe(false);
    expect(unmapAlike(named('v5-patch'), named('11.0'))).toBe(true);
  });
});
